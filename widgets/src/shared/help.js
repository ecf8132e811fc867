// The "?" button of a widget: which keys it knows.
import { element } from "./dom.js";

/** What a key does. @typedef {readonly [keys: string, does: string]} KeyHelp */

/**
 * @param {string} title
 * @param {readonly KeyHelp[]} keys
 * @returns {{button: HTMLButtonElement, panel: HTMLElement, toggle: () => void}}
 */
export function keyHelp(title, keys) {
  const list = element("ul", { class: "vcr-keys" });
  for (const [key, does] of keys) {
    const names = key.split(" ").flatMap((name) => [element("kbd", {}, name), " "]);
    list.append(element("li", {}, element("span", { class: "vcr-key-names" }, ...names), does));
  }
  const panel = element("div", { class: "vcr-help", role: "note", "aria-label": title, hidden: "" }, element("strong", {}, title), list);
  const button = element("button", { type: "button", class: "vcr-button vcr-toggle", "aria-expanded": "false", title: `${title} (?)`, "aria-label": title }, "?");
  const toggle = () => {
    panel.hidden = !panel.hidden;
    button.setAttribute("aria-expanded", String(!panel.hidden));
    button.setAttribute("aria-pressed", String(!panel.hidden));
  };
  button.addEventListener("click", toggle);
  return { button, panel, toggle };
}

/** True where a key is text. @param {EventTarget | null} target */
export function isTextField(target) {
  return target instanceof Element && target.closest("input, textarea, select, [contenteditable=true]") !== null;
}
