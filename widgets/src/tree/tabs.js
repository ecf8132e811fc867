// The tabs of the state tree.
import { element } from "../shared/dom.js";

/** @typedef {"input" | "output" | "chat" | "changes"} Tab */

/** @type {readonly [Tab, string, string][]} */
export const TABS = [
  ["input", "Before (editable)", "The state before this step ran: edit it, then resume from here (key e)"],
  ["output", "After", "The state after this step ran"],
  ["chat", "Chat", "The messages in the state, as a chat (key c)"],
  ["changes", "Changes", "What this step changed in the state, or how it differs from another (key d)"],
];

export class TabBar {
  /** @type {Tab} */
  tab = "input";

  /** @param {() => void} onOpen */
  constructor(onOpen) {
    this.onOpen = onOpen;
    this.node = element("div", { class: "vcr-tabs", role: "tablist", "aria-label": "State" });
    for (const [tab, label, hint] of TABS) this.node.append(this.#button(tab, label, hint));
    this.#mark();
  }

  /** True while a state is on show in the editor. */
  get isState() {
    return this.tab === "input" || this.tab === "output";
  }

  /** @param {Tab} tab */
  open(tab) {
    this.tab = tab;
    this.#mark();
    this.onOpen();
  }

  /** @param {Tab} tab @param {string} label @param {string} hint */
  #button(tab, label, hint) {
    const made = element("button", { type: "button", role: "tab", title: hint, "data-tab": tab }, label);
    made.addEventListener("click", () => this.open(tab));
    made.addEventListener("keydown", (event) => this.#onKey(event));
    return made;
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step === undefined) return;
    const at = TABS.findIndex(([name]) => name === this.tab);
    this.open(TABS[(at + step + TABS.length) % TABS.length]?.[0] ?? this.tab);
    /** @type {HTMLElement | null} */ (this.node.querySelector(`[data-tab=${this.tab}]`))?.focus();
  }

  #mark() {
    for (const made of this.node.children) {
      const isChosen = made.getAttribute("data-tab") === this.tab;
      made.setAttribute("aria-selected", String(isChosen));
      made.setAttribute("tabindex", isChosen ? "0" : "-1");
    }
  }
}
