// The panel below the tree in which one text of the state is read in full.
import { button, element } from "../shared/dom.js";
import { wholeText } from "./folded.js";
import { valueAt } from "./model.js";

export class WholeText {
  constructor() {
    this.path = "";
    this.title = element("span", { class: "vcr-was" });
    this.body = element("div", { class: "vcr-whole-body", tabindex: "0", role: "region", "aria-label": "Whole text" });
    const close = button("Close the text", () => this.close(), "close");
    this.node = element(
      "div",
      { class: "vcr-whole", hidden: "", "data-testid": "vcr-whole" },
      element("div", { class: "vcr-bar" }, this.title, close),
      this.body,
    );
  }

  /** @param {string} path JSON Pointer @param {string} text */
  open(path, text) {
    this.path = path;
    this.title.replaceChildren(element("code", {}, path), ` ${text.length.toLocaleString("en")} characters`);
    this.body.replaceChildren(wholeText(text));
    this.node.hidden = false;
  }

  /** Show the same place of another state; closes where there is no text. @param {unknown} state */
  follow(state) {
    if (this.path === "") return;
    const value = valueAt(state, this.path);
    if (typeof value === "string") this.open(this.path, value);
    else this.close();
  }

  close() {
    this.path = "";
    this.body.replaceChildren();
    this.node.hidden = true;
  }
}
