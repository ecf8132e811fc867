// The findings of Sentinel as a table on the page: sort, filter, select, jump.
import { element, hideSavedView } from "../shared/dom.js";
import { WidgetView, showing } from "../shared/view.js";
import { COLUMNS, DRAWN, cellsOf, countLine, isSame, shownOf } from "./model.js";

/** @typedef {import("../shared/types.js").Model} Model */
/** @typedef {import("./model.js").Finding} Finding */

class FindingsView extends WidgetView {
  /** @param {Model} model */
  constructor(model) {
    super(model, element("section", { class: "vcr-findings", "aria-label": "Findings", "data-testid": "vcr-findings" }));
    this.severity = element("select", { class: "vcr-button", "aria-label": "Severity" });
    for (const value of ["", "critical", "warning"]) {
      this.severity.append(element("option", { value }, value || "all severities"));
    }
    this.text = element("input", { class: "vcr-button", type: "search", placeholder: "filter by text", "aria-label": "Filter" });
    this.count = element("span", { class: "vcr-count", role: "status" });
    this.table = element("table", { "aria-label": "Findings" });
    this.root.append(
      element("div", { class: "vcr-bar" }, this.severity, this.text, this.count),
      element("div", { class: "vcr-scroll" }, this.table),
    );
  }

  start() {
    super.start();
    this.severity.addEventListener("change", () => this.set("severity", this.severity.value));
    this.text.addEventListener("input", () => this.set("text", this.text.value));
    const redrawn = "change:findings change:severity change:text change:sort change:descending change:hint";
    this.on(redrawn, () => this.draw());
    this.on("change:selected", () => this.#mark());
    this.untilStop(hideSavedView(this.model.get("group")));
    this.draw();
  }

  /** @returns {Finding[]} */
  get shown() {
    const [severity, text, sort, descending] = ["severity", "text", "sort", "descending"].map((name) => this.model.get(name));
    return shownOf(this.model.get("findings"), { severity, text, sort, descending });
  }

  draw() {
    const shown = this.shown;
    this.severity.value = this.model.get("severity");
    // Writing the same text again would move the cursor.
    if (this.text.value !== this.model.get("text")) this.text.value = this.model.get("text");
    const all = this.model.get("findings").length;
    this.count.textContent = countLine(shown.length, all, this.model.get("hint"));
    this.severity.hidden = this.text.hidden = this.table.hidden = all === 0;
    const focused = this.table.contains(document.activeElement) ? document.activeElement : null;
    const column = focused?.getAttribute("data-sort");
    const body = element("tbody", {}, ...shown.slice(0, DRAWN).map((finding) => this.#row(finding)));
    this.table.replaceChildren(element("thead", {}, this.#headings()), body);
    if (column) /** @type {HTMLElement | null} */ (this.table.querySelector(`[data-sort="${column}"]`))?.focus();
  }

  /** @returns {HTMLElement} the row of headings; a click sorts, a second one turns the order */
  #headings() {
    const isDescending = this.model.get("descending");
    const row = element("tr");
    for (const [name, label] of COLUMNS) {
      const isSorted = name === this.model.get("sort");
      const mark = isSorted ? (isDescending ? " ▼" : " ▲") : "";
      const made = element("button", { type: "button", "data-sort": name }, label + mark);
      made.addEventListener("click", () => {
        this.model.set("descending", isSorted && !isDescending);
        this.set("sort", name);
      });
      const order = isSorted ? (isDescending ? "descending" : "ascending") : "none";
      row.append(element("th", { scope: "col", "aria-sort": order }, made));
    }
    return row;
  }

  /** @param {Finding} finding @returns {HTMLElement} */
  #row(finding) {
    const row = element("tr", { tabindex: "0", "data-severity": finding.severity });
    row.setAttribute("aria-selected", String(isSame(finding, this.model.get("selected"))));
    const select = () => this.set("selected", finding);
    row.append(...cellsOf(finding).map((text) => element("td", {}, text)), element("td", {}, ...this.#jump(finding)));
    row.addEventListener("click", select);
    row.addEventListener("keydown", (event) => {
      if (event.target !== row || (event.key !== "Enter" && event.key !== " ")) return;
      event.preventDefault();
      select();
    });
    return row;
  }

  /** @param {Finding} finding @returns {HTMLElement[]} the button to the frame that wrote the file, where one did */
  #jump(finding) {
    if (finding.frame == null) return [];
    const made = element("button", { type: "button", class: "vcr-button" }, `frame ${finding.frame}`);
    made.addEventListener("click", (event) => {
      event.stopPropagation();
      this.set("selected", finding);
      this.tell({ kind: "jump", frame: finding.frame });
    });
    return [made];
  }

  #mark() {
    const shown = this.shown;
    for (const [n, row] of [...this.table.querySelectorAll("tbody tr")].entries()) {
      const finding = shown[n];
      row.setAttribute("aria-selected", String(finding !== undefined && isSame(finding, this.model.get("selected"))));
    }
  }
}

export const render = showing(FindingsView);
