import { render } from "./findings/render.js";

export default { render };
