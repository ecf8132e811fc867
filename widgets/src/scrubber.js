import { render } from "./scrubber/render.js";

export default { render };
