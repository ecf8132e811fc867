// What every widget of ours does: listen to its model until it is removed, talk to the kernel, say what went wrong,
// keep its keys and follow the page's theme.
import { alertLine, isDark, keepKeys, watchTheme } from "./dom.js";
import { save, tell } from "./kernel.js";

/** @typedef {import("./types.js").Model} Model */

export class WidgetView {
  /** @type {(() => void)[]} */
  #undo = [];

  /** @param {Model} model @param {HTMLElement} root its outermost element, to which the alert line is added */
  constructor(model, root) {
    this.model = model;
    this.root = root;
    this.alert = alertLine(() => this.set("error", ""));
    this.root.classList.add("vcr-widget");
  }

  /** Called when the widget is on the page; a subclass calls this first. */
  start() {
    this.root.append(this.alert.node);
    keepKeys(this.root);
    this.on("msg:custom", (message) => this.receive(message));
    this.on("change:error", () => this.alert.show(this.model.get("error")));
    this.untilStop(watchTheme(() => this.applyTheme()));
    this.applyTheme();
    this.alert.show(this.model.get("error"));
  }

  /** Called when the widget leaves the page. */
  stop() {
    for (const undo of this.#undo.splice(0)) undo();
  }

  /** @param {...() => void} undo what to call when the widget leaves the page */
  untilStop(...undo) {
    this.#undo.push(...undo);
  }

  /** @param {string} events names, with spaces between @param {(...args: any[]) => void} handler */
  on(events, handler) {
    // One by one: marimo's model takes several names for one.
    for (const event of events.split(" ")) {
      this.model.on(event, handler);
      this.untilStop(() => this.model.off(event, handler));
    }
  }

  /** Change a trait, also in the kernel. @param {string} name @param {unknown} value */
  set(name, value) {
    this.model.set(name, value);
    save(this.model, this.alert.show);
  }

  /** @param {Record<string, unknown>} message to the kernel */
  tell(message) {
    tell(this.model, message, this.alert.show);
  }

  /** @param {any} _message from the kernel */
  receive(_message) {}

  /** Look as the page does; called again when the page's theme changes. */
  applyTheme() {
    this.root.classList.toggle("vcr-dark", isDark(this.root));
  }
}

/**
 * @param {new (model: Model) => WidgetView} View
 * @returns {(props: {model: Model, el: HTMLElement}) => () => void} what anywidget calls to show a widget; it returns
 * what removes what was set up
 */
export function showing(View) {
  return ({ model, el }) => {
    const view = new View(model);
    el.append(view.root);
    view.start();
    return () => view.stop();
  };
}
