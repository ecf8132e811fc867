// The state tree on the page: tabs, the editor, the list of changes, the pending edit.
import { createJSONEditor } from "vanilla-jsoneditor";
import { selectionOf } from "../shared/bus.js";
import { alertLine, element, isDark, keepKeys, watchTheme } from "../shared/dom.js";
import { save, tell } from "../shared/kernel.js";
import { changeList } from "./changes.js";
import { StateCache, opensAtFirst, patched, plainOperations, selectedPath, tagOf } from "./model.js";
import { pendingEdit } from "./pending.js";
import { answer, question } from "./writers.js";

/** @typedef {import("../shared/types.js").Model} Model */
/** @typedef {import("../shared/types.js").Side} Side */
/** @typedef {import("../shared/types.js").Operation} Operation */
/** @typedef {import("./model.js").Loaded} Loaded */
/** @typedef {"input" | "output" | "changes"} Tab */

const TABS = /** @type {const} */ ([
  ["input", "Before (editable)", "The state before this step ran: edit it, then resume from here"],
  ["output", "After", "The state after this step ran"],
  ["changes", "Changes", "What this step changed in the state"],
]);
/** Frames on each side whose states are fetched ahead, so that stepping is at once and a busy kernel is not missed. */
const AHEAD = 3;
/** How long the selection rests before states are fetched ahead. */
const REST_MS = 150;
/** States on their way at once: while the user drags over hundreds of frames, most are never asked for. */
const MOST_ASKED = 2;

/** @param {{model: Model, el: HTMLElement}} props @returns {() => void} removes what was set up */
export function render({ model, el }) {
  const view = new TreeView(model);
  el.append(view.root);
  view.start();
  return () => view.stop();
}

class TreeView {
  /** @type {(() => void)[]} */
  #cleanUp = [];
  #cache = new StateCache();
  /** What the kernel said instead of a state. @type {Map<string, string>} */
  #failures = new Map();
  /** Requests on their way. @type {Set<string>} */
  #asked = new Set();
  /** @type {Tab} */
  #tab = "input";
  #frame = 0;
  #shown = "";
  /** @type {ReturnType<typeof createJSONEditor> | null} */
  #editor = null;
  /** The frame whose state the editor holds; an edit that is typed while another is selected belongs to it. */
  #editorFrame = 0;
  #editsOnTheirWay = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #resting;
  #wasRefused = false;
  /** JSON Pointer of what is selected in the editor; empty when nothing is. */
  #path = "";
  /** The last answer to "when did this change?". @type {{path: string, writers: import("./writers.js").Writer[]}} */
  #writers = { path: "", writers: [] };

  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    this.selection = selectionOf(model.get("group"));
    this.alert = alertLine(() => {
      model.set("error", "");
      save(model, this.alert.show);
    });
    this.title = element("div", { class: "vcr-title" });
    this.tabs = element("div", { class: "vcr-tabs", role: "tablist", "aria-label": "State" });
    for (const [tab, label, hint] of TABS) this.tabs.append(this.#tabButton(tab, label, hint));
    this.note = element("p", { class: "vcr-empty", hidden: "" });
    this.editorBox = element("div", { class: "vcr-editor" });
    this.changes = element("div", { class: "vcr-diff", tabindex: "0", hidden: "" });
    this.history = element("div", { class: "vcr-history", hidden: "", "data-testid": "vcr-history" });
    this.edit = element("div", { class: "vcr-edit", hidden: "", "data-testid": "vcr-edit" });
    this.panel = element("div", { role: "tabpanel" }, this.note, this.editorBox, this.changes);
    this.root = element(
      "section",
      { class: "vcr-widget vcr-tree", "aria-label": "State tree", "data-testid": "vcr-tree" },
      element("div", { class: "vcr-head" }, this.tabs, this.title),
      this.panel,
      this.history,
      this.edit,
      this.alert.node,
    );
  }

  start() {
    keepKeys(this.root);
    this.#on("msg:custom", (message) => this.receive(message));
    this.#on("change:error", () => this.alert.show(this.model.get("error")));
    this.#on("change:epoch", () => this.#startOver());
    this.#on("change:frame", () => {
      if (!this.selection.led) this.select(this.model.get("frame"));
    });
    this.#cleanUp.push(
      this.selection.listen((frame) => this.select(frame)),
      watchTheme(() => this.#applyTheme()),
    );
    this.#frame = this.selection.frame ?? this.model.get("frame");
    this.alert.show(this.model.get("error"));
    this.show();
  }

  stop() {
    for (const undo of this.#cleanUp.splice(0)) undo();
    clearTimeout(this.#resting);
    this.#editor?.destroy();
  }

  /** @param {Record<string, unknown>} message */
  tell(message) {
    tell(this.model, message, this.alert.show);
  }

  /** @param {string} event @param {(...args: any[]) => void} handler */
  #on(event, handler) {
    this.model.on(event, handler);
    this.#cleanUp.push(() => this.model.off(event, handler));
  }

  /** @param {Tab} tab @param {string} label @param {string} hint */
  #tabButton(tab, label, hint) {
    const made = element("button", { type: "button", role: "tab", title: hint, "data-tab": tab }, label);
    made.addEventListener("click", () => this.open(tab));
    made.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step === undefined) return;
      const at = TABS.findIndex(([name]) => name === this.#tab);
      const target = TABS[(at + step + TABS.length) % TABS.length]?.[0] ?? tab;
      this.open(target);
      /** @type {HTMLElement | null} */ (this.tabs.querySelector(`[data-tab=${target}]`))?.focus();
    });
    return made;
  }

  /** @param {Tab} tab */
  open(tab) {
    this.#tab = tab;
    this.show();
  }

  /** @param {number} frame */
  select(frame) {
    this.#frame = frame;
    this.show();
  }

  #startOver() {
    this.#cache.clear();
    this.#failures.clear();
    this.#asked.clear();
    this.#writers = { path: "", writers: [] };
    this.#shown = "";
    this.show();
  }

  // ------------------------------------------------------------------------------- what comes and goes

  /** @param {any} message */
  receive(message) {
    if (message.epoch !== this.model.get("epoch")) return;
    const key = `${message.frame}/${message.side}`;
    if (message.kind === "state") {
      this.#asked.delete(key);
      this.#failures.delete(key);
      this.#cache.put(message.frame, message.side, { text: message.text, patch: message.patch, frame: message.title });
    } else if (message.kind === "failure" || message.kind === "absent") {
      // Not asked for again before the kernel says that the frame has come or ended ("stale").
      this.#asked.delete(key);
      this.#failures.set(key, message.message ?? `the run has no frame ${message.frame} yet`);
    } else if (message.kind === "writers") {
      this.#writers = message;
      this.#showHistory();
      return;
    } else if (message.kind === "patch") {
      this.#takePatch(message);
    } else if (message.kind === "stale") {
      for (const frame of message.frames) this.#forget(frame);
    }
    this.show();
  }

  /** The kernel's word on an edit. @param {{frame: number, patch: Operation[], refused: string, by: string}} message */
  #takePatch({ frame, patch, refused, by }) {
    const state = this.#cache.get(frame, "input");
    if (state) this.#cache.put(frame, "input", { ...state, patch });
    if (by === `${this.viewId}/edit`) {
      this.#editsOnTheirWay -= 1;
      this.#wasRefused ||= refused !== "";
      this.alert.show(refused);
    }
    // An edit made in this very view is on show already; drawing it again would close what the user has opened.
    const isOnShow = by === `${this.viewId}/edit` && !(this.#wasRefused && this.#editsOnTheirWay === 0);
    if (isOnShow || frame !== this.#frame) return;
    this.#shown = "";
    this.#wasRefused = false;
  }

  /** Ask again for the states of a frame that was running. @param {number} frame */
  #forget(frame) {
    for (const side of /** @type {const} */ (["input", "output"])) {
      this.#cache.drop(frame, side);
      this.#failures.delete(`${frame}/${side}`);
    }
    if (frame === this.#frame) this.#shown = "";
  }

  /** @param {number} frame @param {Side} side */
  #ask(frame, side) {
    this.#asked.add(`${frame}/${side}`);
    this.tell({ kind: "state", frame, side });
  }

  /** @param {number} frame @param {Side} side */
  #isMissing(frame, side) {
    const key = `${frame}/${side}`;
    return frame >= 0 && !this.#asked.has(key) && !this.#failures.has(key) && !this.#cache.has(frame, side);
  }

  /** Fetch one state near the selected frame; its answer leads here again for the next. */
  #fetchAhead() {
    if (this.#asked.size > 0) return;
    const sides = /** @type {Side[]} */ (this.#tab === "output" ? ["output", "input"] : ["input", "output"]);
    for (let step = 0; step <= AHEAD; step += 1) {
      for (const side of sides) {
        for (const frame of [this.#frame + step, this.#frame - step]) {
          if (this.#isMissing(frame, side)) return this.#ask(frame, side);
        }
      }
    }
  }

  #rest() {
    clearTimeout(this.#resting);
    this.#resting = setTimeout(() => this.#fetchAhead(), REST_MS);
  }

  /** Select a frame here, and through the page's selection in the scrubber. @param {number} frame */
  #go(frame) {
    if (this.selection.led) return this.selection.select(frame);
    this.model.set("frame", frame);
    save(this.model, this.alert.show);
  }

  #showHistory() {
    const path = this.#path;
    this.history.hidden = path === "" || this.#tab === "changes";
    if (this.history.hidden) return;
    const known = this.#writers.path === path;
    this.history.replaceChildren(
      known
        ? answer(path, this.#writers.writers, this.#frame, (frame) => this.#go(frame))
        : question(path, () => this.tell({ kind: "writers", path })),
    );
  }

  /** @param {import("vanilla-jsoneditor").JSONEditorSelection | undefined} selection */
  #onSelect(selection) {
    this.#path = selectedPath(selection);
    this.#showHistory();
  }

  viewId = Math.random().toString(36).slice(2);

  /** @param {Operation[]} operations @param {Operation[]} undo */
  #sendEdit(operations, undo) {
    this.#editsOnTheirWay += 1;
    this.tell({
      kind: "edit",
      frame: this.#editorFrame,
      operations: plainOperations(operations),
      undo: plainOperations(undo),
      by: `${this.viewId}/edit`,
    });
  }

  // ----------------------------------------------------------------------------------- what is on show

  show() {
    for (const made of this.tabs.children) {
      const chosen = made.getAttribute("data-tab") === this.#tab;
      made.setAttribute("aria-selected", String(chosen));
      made.setAttribute("tabindex", chosen ? "0" : "-1");
    }
    this.root.dataset.frame = String(this.#frame);
    this.root.dataset.ready = "false";
    this.#showHistory();
    if (this.#tab === "changes") this.#showChanges();
    else this.#showState(this.#tab);
  }

  /** @param {string} text why there is no state to see */
  #showNote(text) {
    this.note.textContent = text;
    this.note.hidden = text === "";
    this.editorBox.hidden = text !== "" || this.#tab === "changes";
    this.changes.hidden = text !== "" || this.#tab !== "changes";
  }

  /** @param {Side} side @returns {Loaded | null} the state, or null with a note on show that says where it is */
  #loaded(side) {
    const state = this.#cache.get(this.#frame, side);
    if (state) return state;
    const failure = this.#failures.get(`${this.#frame}/${side}`);
    if (this.#isMissing(this.#frame, side) && this.#asked.size < MOST_ASKED) this.#ask(this.#frame, side);
    this.title.textContent = `frame ${this.#frame}`;
    this.edit.hidden = true;
    this.#showNote(failure ?? `waiting for the kernel: the state ${side === "input" ? "before" : "after"} frame ${this.#frame}`);
    if (failure !== undefined) this.root.dataset.ready = "true";
    return null;
  }

  /** @param {Side} side */
  #showState(side) {
    const state = this.#loaded(side);
    if (!state) return;
    this.#showNote("");
    this.title.textContent = state.frame;
    const wanted = `${this.#frame}/${side}`;
    if (this.#shown !== wanted) {
      this.#shown = wanted;
      const recorded = JSON.parse(state.text);
      this.#fillEditor(side === "input" ? patched(recorded, state.patch) : recorded, side === "output");
    }
    this.edit.hidden = side !== "input" || state.patch.length === 0;
    if (!this.edit.hidden) this.#showEdit(this.#frame, state);
    this.root.dataset.ready = "true";
    this.#rest();
  }

  #showChanges() {
    const before = this.#loaded("input");
    if (!before) return;
    const after = this.#loaded("output");
    if (!after) return;
    this.#showNote("");
    this.edit.hidden = true;
    this.title.textContent = after.frame;
    const wanted = `${this.#frame}/changes`;
    if (this.#shown !== wanted) {
      this.#shown = wanted;
      this.changes.replaceChildren(changeList(JSON.parse(before.text), JSON.parse(after.text)));
    }
    this.root.dataset.ready = "true";
    this.#rest();
  }

  /** @param {unknown} json @param {boolean} readOnly */
  #fillEditor(json, readOnly) {
    this.#editor ??= createJSONEditor({ target: this.editorBox, props: this.#editorProps() });
    this.#applyTheme();
    this.#editorFrame = this.#frame;
    this.#editor.updateProps({ readOnly });
    // `set` and not `update`: the undo steps of one frame's state must not reach into another's.
    this.#editor.set({ json });
    this.#editor.expand([], (path) => opensAtFirst(json, path));
  }

  /** @param {number} frame @param {Loaded} state */
  #showEdit(frame, { text, patch }) {
    const by = `${this.viewId}/undo`;
    const undo = () => this.tell({ kind: "undo", frame, by });
    const clear = () => this.tell({ kind: "clear", frame, by });
    this.edit.replaceChildren(...pendingEdit(frame, JSON.parse(text), patch, undo, clear));
  }

  /** @returns {import("vanilla-jsoneditor").JSONEditorPropsOptional} */
  #editorProps() {
    return {
      mode: /** @type {import("vanilla-jsoneditor").Mode} */ ("tree"),
      mainMenuBar: true,
      navigationBar: true,
      askToFormat: false,
      onChange: (content, _previous, { patchResult }) => {
        if (patchResult) return this.#sendEdit(patchResult.redo, patchResult.undo);
        const value = "json" in content ? content.json : JSON.parse(content.text);
        this.#sendEdit([{ op: "replace", path: "", value }], []);
      },
      onSelect: (selection) => this.#onSelect(selection),
      onRenderMenu: (items) => items.filter(isKept),
      onClassName: (path, value) => {
        if (path.at(-1) === "$t") return "vcr-tag";
        return tagOf(value) === null ? undefined : "vcr-tagged";
      },
      onError: (error) => this.alert.show(error.message),
    };
  }

  #applyTheme() {
    this.editorBox.classList.toggle("jse-theme-dark", isDark(this.root));
  }
}

/** @param {import("vanilla-jsoneditor").MenuItem} item what reads the state; what writes it wholesale has no place here */
function isKept(item) {
  return "className" in item && /jse-(expand-all|collapse-all|search)/.test(item.className ?? "");
}
