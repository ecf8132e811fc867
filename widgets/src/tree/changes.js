// The read-only list of what differs between two states.
import { element } from "../shared/dom.js";
import { wholeText } from "./folded.js";
import { changesBetween, preview } from "./model.js";

/** Changes shown at first; a run that rewrites thousands of values is not a list that anyone reads to its end. */
const SHOWN = 200;
const SIGNS = { added: "+", removed: "−", changed: "±" };

/**
 * @param {unknown} before
 * @param {unknown} after
 * @param {string} same what to say when nothing differs
 * @returns {HTMLElement}
 */
export function changeList(before, after, same) {
  const changes = changesBetween(before, after);
  if (changes.length === 0) return element("p", { class: "vcr-empty" }, same);
  const list = element("ul", { class: "vcr-changes", "aria-label": "Changes" }, ...changes.slice(0, SHOWN).map(item));
  if (changes.length > SHOWN) list.append(element("li", {}, `and ${changes.length - SHOWN} more changes`));
  return list;
}

/** @param {import("./model.js").Change} change */
function item({ kind, path, before, after }) {
  const made = element(
    "li",
    { class: `vcr-change vcr-${kind}` },
    element("span", { class: "vcr-sign", title: kind }, SIGNS[kind]),
    element("code", { class: "vcr-path" }, path || "(the whole state)"),
  );
  if (kind !== "added") made.append(folded("vcr-before", before));
  if (kind !== "removed") made.append(folded("vcr-after", after));
  return made;
}

/** @param {string} look @param {unknown} value @returns {HTMLElement} a value; a long one can be opened */
function folded(look, value) {
  const short = preview(value);
  const isWhole = (typeof value !== "object" || value === null) && !short.endsWith("characters)");
  if (isWhole) return element("code", { class: look }, short);
  const body = element("pre", {});
  const opened = element("details", { class: look }, element("summary", {}, element("code", {}, short)), body);
  const whole = () => wholeText(typeof value === "string" ? value : JSON.stringify(value, null, 2));
  opened.addEventListener("toggle", () => body.replaceChildren(...(opened.open ? [whole()] : [])));
  return opened;
}
