// The edit that waits for a resume, as the JSON Patch it is.
import { button, element } from "../shared/dom.js";
import { preview, valueAt } from "./model.js";

/** @typedef {import("../shared/types.js").Operation} Operation */

/**
 * @param {number} frame
 * @param {unknown} recorded the state without the edit
 * @param {Operation[]} patch
 * @param {() => void} undo
 * @param {() => void} clear
 * @returns {HTMLElement[]}
 */
export function pendingEdit(frame, recorded, patch, undo, clear) {
  const head = element(
    "div",
    { class: "vcr-bar" },
    element("strong", {}, `Edit before frame ${frame}`),
    element("span", { class: "vcr-was" }, "used by "),
    element("code", {}, `%vcr resume ${frame}`),
    button("Undo the last edit", undo, "undo"),
    button("Drop all edits of this frame", clear, "clear"),
  );
  const operations = patch.map((operation) => line(operation, recorded));
  return [head, element("ol", { class: "vcr-operations", "aria-label": "JSON Patch" }, ...operations)];
}

/** @param {Operation} operation @param {unknown} recorded */
function line(operation, recorded) {
  const made = element("li", {}, element("code", {}, preview(operation, 400)));
  const before = operation.op === "replace" || operation.op === "remove" ? valueAt(recorded, operation.path) : undefined;
  if (before !== undefined) made.append(element("span", { class: "vcr-was" }, `was ${preview(before)}`));
  return made;
}
