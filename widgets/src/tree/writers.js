// "When did this change?": the frames that wrote the selected path, each a step away.
import { button, element } from "../shared/dom.js";

/**
 * One frame that changed the value at a path.
 * @typedef {{frame: number, key: string, op: string, side: import("../shared/types.js").Side}} Writer
 */

/** Frames named in the list; the count says how many there are in all. */
const NAMED = 60;

/**
 * @param {Writer[]} writers in the order of the run
 * @param {number} frame
 * @returns {number | null} the last frame before `frame` that wrote, or null
 */
export function previousWriter(writers, frame) {
  return writers.filter((writer) => writer.frame < frame).at(-1)?.frame ?? null;
}

/**
 * @param {string} path
 * @param {Writer[]} writers
 * @param {number} selected frame
 * @param {(frame: number) => void} go
 * @returns {HTMLElement}
 */
export function answer(path, writers, selected, go) {
  const count = `${writers.length} ${writers.length === 1 ? "frame" : "frames"} changed `;
  const list = element("ol", { class: "vcr-writers", "aria-label": "Frames that changed it" });
  for (const { frame, key, op } of writers.slice(0, NAMED)) {
    const made = button(`Go to frame ${frame}`, () => go(frame), `${frame} ${key} (${op})`);
    if (frame === selected) made.setAttribute("aria-current", "true");
    list.append(element("li", {}, made));
  }
  if (writers.length > NAMED) list.append(element("li", {}, `and ${writers.length - NAMED} more`));
  return element("div", { class: "vcr-answer" }, element("div", {}, count, element("code", {}, path)), list);
}
