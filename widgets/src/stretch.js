import { render } from "./stretch/render.js";

export default { render };
