import { render } from "./tree/render.js";

export default { render };
