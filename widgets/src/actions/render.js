// The bar of buttons on the page: what can be done with the selected frame, how far it is, and what came of it.
import { selectionOf } from "../shared/bus.js";
import { button, element } from "../shared/dom.js";
import { WidgetView, showing } from "../shared/view.js";
import { BUSY, PATIENCE_MS, Waiting, obstacle, progressLine, sign, tooltip } from "./model.js";

/** @typedef {import("../shared/types.js").Model} Model */

const TICK_MS = 100;

class ActionView extends WidgetView {
  #waiting = new Waiting();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #patience;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #clock;
  #began = 0;

  /** @param {Model} model */
  constructor(model) {
    super(model, element("section", { class: "vcr-actions", "aria-label": "Actions", "data-testid": "vcr-actions" }));
    this.selection = selectionOf(model.get("group"));
    this.buttons = element("div", { class: "vcr-bar", role: "toolbar", "aria-label": "Actions" });
    this.other = element("select", { class: "vcr-button", "aria-label": "Compare with", title: "Compare with" });
    this.agent = element("select", { class: "vcr-button", "aria-label": "Agent", title: "The agent that is run" });
    this.agent.addEventListener("change", () => this.set("agent", this.agent.value));
    this.note = element("p", { class: "vcr-note", role: "status", hidden: "" });
    this.line = element("span", { "data-testid": "vcr-progress" });
    this.cancel = button("Cancel", () => this.tell({ kind: "cancel" }), "Cancel");
    this.progress = element("div", { class: "vcr-bar vcr-progress", hidden: "" }, this.cancel, this.line);
    this.outcome = element("div", { class: "vcr-outcome", "data-testid": "vcr-outcome", hidden: "" });
    this.printed = element("pre", { "data-testid": "vcr-printed" });
    this.output = element("details", { class: "vcr-printed", open: "", hidden: "" }, element("summary", {}, "printed by the agent"), this.printed);
    this.root.append(this.buttons, this.note, this.progress, this.outcome, this.output);
  }

  start() {
    super.start();
    this.on("change:abilities change:sessions change:agents change:agent", () => this.#showButtons());
    this.on("change:progress", () => this.#showProgress());
    this.on("change:outcome", () => this.#showOutcome());
    this.on("change:printed", () => this.#showPrinted());
    this.untilStop(this.selection.onCommand((name) => this.command(name)));
    this.#showButtons();
    this.#showProgress();
    this.#showOutcome();
    this.#showPrinted();
  }

  stop() {
    clearTimeout(this.#patience);
    clearInterval(this.#clock);
    super.stop();
  }

  /** @returns {import("./model.js").Ability[]} */
  get abilities() {
    return this.model.get("abilities");
  }

  get frame() {
    return this.selection.frame ?? this.model.get("frame");
  }

  /** @param {any} message */
  receive(message) {
    if (message.kind !== "heard") return;
    this.#waiting.heard(message.id);
    if (!this.#waiting.isOpen) clearTimeout(this.#patience);
    this.#showNote();
  }

  /** Send what has to be answered, and say when that takes long. @param {Record<string, unknown>} message */
  #ask(message) {
    this.tell({ ...message, id: this.#waiting.send() });
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => this.#showNote(this.#waiting.isOpen ? BUSY : undefined), PATIENCE_MS);
  }

  /** A key of the scrubber. @param {string} name */
  command(name) {
    const ability = this.abilities.find((each) => each.name === name);
    if (!ability) return;
    if (ability.reason) return this.#showNote(`${ability.label}: ${ability.reason}`);
    this.act(name);
  }

  /** @param {string} name */
  act(name) {
    const other = name === "compare" ? this.other.value : "";
    this.#ask({ kind: "act", name, frame: this.frame, other });
  }

  #showButtons() {
    const focused = this.buttons.contains(document.activeElement) ? document.activeElement : null;
    const name = focused?.getAttribute("data-action");
    this.#fill(this.other, this.model.get("sessions"), []);
    this.#fill(this.agent, this.model.get("agents"), [["", "agent: as recorded"]]);
    this.agent.value = this.model.get("agent");
    /** @type {Node[]} */
    const shown = [];
    for (const ability of this.abilities) {
      const made = element("button", { type: "button", class: "vcr-button", "data-action": ability.name }, ability.label);
      made.title = tooltip(ability);
      made.disabled = ability.reason !== "";
      made.addEventListener("click", () => this.act(ability.name));
      shown.push(made);
      if (ability.name === "compare" && !made.disabled) shown.push(this.other);
    }
    this.agent.hidden = this.agent.options.length < 2;
    this.buttons.replaceChildren(...shown, this.agent);
    if (focused instanceof HTMLElement) {
      /** @type {HTMLElement | null} */ (name ? this.buttons.querySelector(`[data-action="${name}"]`) : focused)?.focus();
    }
    this.#showNote();
  }

  /** @param {HTMLSelectElement} select @param {string[]} names @param {[string, string][]} first value and label */
  #fill(select, names, first) {
    const before = select.value;
    const options = [...first, ...names.map((each) => /** @type {[string, string]} */ ([each, each]))];
    select.replaceChildren(...options.map(([value, label]) => element("option", { value }, label)));
    if (options.some(([value]) => value === before)) select.value = before;
  }

  /** @param {string} [words] */
  #showNote(words) {
    const working = this.model.get("progress").name !== undefined;
    const shown = words ?? (working ? "" : obstacle(this.abilities));
    this.note.textContent = shown;
    this.note.hidden = shown === "";
  }

  #showProgress() {
    const progress = this.model.get("progress");
    const working = progress.name !== undefined;
    if (working && this.progress.hidden) this.#began = performance.now();
    this.progress.hidden = !working;
    this.cancel.hidden = !progress.cancellable;
    this.cancel.title = progress.cancelling ? "Try again to end it" : "End the run at its next step or Python instruction";
    clearInterval(this.#clock);
    const tick = () => {
      this.line.textContent = progressLine(progress, (performance.now() - this.#began) / 1000);
    };
    if (working) {
      tick();
      this.#clock = setInterval(tick, TICK_MS);
    }
    this.#showNote();
  }

  #showOutcome() {
    /** @type {import("./model.js").Outcome} */
    const { kind, title = "", text = "", frame = null, jump } = this.model.get("outcome");
    this.outcome.hidden = kind === undefined;
    if (kind === undefined) return;
    this.outcome.dataset.kind = kind;
    const head = element("div", { class: "vcr-bar" }, element("strong", {}, `${sign(kind)} ${title}`));
    if (jump && frame !== null) head.append(button(`Go to frame ${frame}`, () => this.selection.select(frame), `go to frame ${frame}`));
    if (kind === "plan") {
      head.append(button("Roll back now", () => this.#ask({ kind: "confirm" }), "Roll back now"));
    }
    head.append(button(kind === "plan" ? "Leave the files" : "Dismiss", () => this.tell({ kind: "dismiss" }), kind === "plan" ? "leave the files" : "dismiss"));
    this.outcome.setAttribute("role", kind === "error" || kind === "failed" ? "alert" : "status");
    this.outcome.replaceChildren(head, element("pre", {}, text));
  }

  #showPrinted() {
    const text = this.model.get("printed");
    this.output.hidden = text === "";
    const atEnd = this.printed.scrollTop + this.printed.clientHeight >= this.printed.scrollHeight - 4;
    this.printed.textContent = text;
    if (atEnd) this.printed.scrollTop = this.printed.scrollHeight;
  }
}

export const render = showing(ActionView);
