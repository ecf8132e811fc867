// A text that may be long: its beginning, and a button for the rest. All of it is text, never markup.
import { button, element } from "../shared/dom.js";

const CHARACTERS = 800;
const LINES = 14;
/** Characters that are added to the page at once; a text of megabytes comes in pieces that a page can lay out. */
const PIECE = 200_000;

/** @param {string} text @returns {string} its beginning, or all of a short one */
export function beginning(text) {
  const lines = text.slice(0, CHARACTERS).split("\n", LINES + 1);
  return lines.length > LINES ? lines.slice(0, LINES).join("\n") : text.slice(0, CHARACTERS);
}

/** @param {string} text @param {string} [look] class @returns {HTMLElement} */
export function foldedText(text, look = "") {
  const short = beginning(text);
  const body = element("div", { class: `vcr-text ${look}`, dir: "auto" });
  if (short.length === text.length) {
    body.textContent = text;
    return body;
  }
  const shown = document.createTextNode(`${short}…`);
  const toggle = button("", () => open(), "");
  let isOpen = true;
  const open = () => {
    isOpen = !isOpen;
    const words = isOpen ? "show less" : `show all ${text.length.toLocaleString("en")} characters`;
    toggle.textContent = words;
    toggle.setAttribute("aria-label", words);
    toggle.title = words;
    toggle.setAttribute("aria-expanded", String(isOpen));
    body.replaceChildren(...(isOpen ? [wholeText(text)] : [shown]), toggle);
  };
  open();
  return body;
}

/** @param {string} text @returns {HTMLElement} all of it; a huge one piece by piece */
export function wholeText(text) {
  const whole = element("div", { class: "vcr-text" });
  let shown = 0;
  const more = () => {
    const piece = text.slice(shown, shown + PIECE);
    shown += piece.length;
    next.before(piece);
    const left = text.length - shown;
    next.hidden = left === 0;
    next.textContent = `show the next ${Math.min(PIECE, left).toLocaleString("en")} of ${left.toLocaleString("en")} characters`;
  };
  const next = element("button", { type: "button", class: "vcr-button" });
  next.addEventListener("click", more);
  whole.append(next);
  more();
  return whole;
}
