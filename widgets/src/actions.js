import { render } from "./actions/render.js";

export default { render };
