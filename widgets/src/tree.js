import { render as show } from "./tree/render.js";
import { bringStyles } from "./tree/styles.js";

/** @param {Parameters<typeof show>[0]} props */
function render(props) {
  const stop = show(props);
  bringStyles(props.el);
  return stop;
}

export default { render };
