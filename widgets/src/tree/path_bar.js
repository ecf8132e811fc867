// What can be asked of the selected value: when it changed, who wrote it before, and all of a long text.
import { button, element } from "../shared/dom.js";
import { beginning } from "./folded.js";
import { answer, previousWriter } from "./writers.js";

/** @typedef {import("./writers.js").Writer} Writer */

/**
 * @typedef {{
 *   askWriters: (path: string) => void,
 *   go: (frame: number) => void,
 *   openWhole: (path: string, text: string) => void,
 * }} Actions
 */

export class PathBar {
  /** JSON Pointer of what is selected; empty when nothing is. */
  path = "";
  /** The last answer to "when did this change?". @type {{path: string, writers: Writer[]}} */
  #known = { path: "", writers: [] };
  /** The frame from which the user wants to jump to the writer before it, once the answer is here. @type {number | null} */
  #jumpFrom = null;
  #isAnswerWanted = false;

  /** @param {Actions} actions */
  constructor(actions) {
    this.actions = actions;
    this.said = element("span", { class: "vcr-was", role: "status" });
    this.node = element("div", { class: "vcr-history", hidden: "", "data-testid": "vcr-history" });
  }

  /** @param {string} path */
  select(path) {
    if (path === this.path) return;
    this.path = path;
    this.said.textContent = "";
    this.#isAnswerWanted = false;
  }

  forget() {
    this.#known = { path: "", writers: [] };
    this.path = "";
    this.#jumpFrom = null;
    this.#isAnswerWanted = false;
  }

  /** @param {number} frame */
  jump(frame) {
    if (this.path === "") {
      this.said.textContent = "Select a value in the tree first: w goes to the frame that wrote it before.";
      return;
    }
    this.#jumpFrom = frame;
    this.actions.askWriters(this.path);
  }

  /** @param {{path: string, writers: Writer[]}} told */
  take(told) {
    this.#known = told;
    if (this.#jumpFrom === null || told.path !== this.path) return;
    const from = this.#jumpFrom;
    this.#jumpFrom = null;
    const target = previousWriter(told.writers, from);
    this.said.textContent = target === null ? `No frame before frame ${from} wrote it.` : "";
    if (target !== null) this.actions.go(target);
  }

  /** @param {number} frame @param {unknown} value at the path; undefined when the state has none */
  show(frame, value) {
    const { path } = this;
    this.node.hidden = path === "" && this.said.textContent === "";
    const when = () => {
      this.#isAnswerWanted = true;
      this.actions.askWriters(path);
    };
    const buttons = [
      button("When did this change?", when, "When did ", element("code", {}, path), " change?"),
      button("Previous write", () => this.jump(frame), "◂ previous write", element("kbd", {}, "w")),
    ];
    if (typeof value === "string" && beginning(value).length < value.length) {
      const words = `Whole text (${value.length.toLocaleString("en")} characters)`;
      buttons.push(button(words, () => this.actions.openWhole(path, value), words));
    }
    const bar = element("div", { class: "vcr-bar" }, ...(path === "" ? [] : buttons), this.said);
    const isAnswered = this.#isAnswerWanted && this.#known.path === path && path !== "";
    const answered = isAnswered ? [answer(path, this.#known.writers, frame, this.actions.go)] : [];
    this.node.replaceChildren(bar, ...answered);
  }
}
