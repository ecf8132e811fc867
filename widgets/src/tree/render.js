// The state tree on the page: tabs, what each of them shows, the pending edit, the keys.
import { selectionOf } from "../shared/bus.js";
import { button, element } from "../shared/dom.js";
import { isTextField, keyHelp } from "../shared/help.js";
import { WidgetView, showing } from "../shared/view.js";
import { changeList } from "./changes.js";
import { chatView } from "./chat_view.js";
import { ComparisonBar, inWords, reference } from "./comparison.js";
import { StateEditor } from "./editor.js";
import { COMMANDS, KEYS } from "./keys.js";
import { patched, plainOperations, valueAt } from "./model.js";
import { PathBar } from "./path_bar.js";
import { pendingEdit } from "./pending.js";
import { States } from "./states.js";
import { TabBar } from "./tabs.js";
import { WholeText } from "./whole.js";

/** @typedef {import("../shared/types.js").Model} Model */
/** @typedef {import("../shared/types.js").Side} Side */
/** @typedef {import("../shared/types.js").Operation} Operation */
/** @typedef {import("./cache.js").Loaded} Loaded */

/** How long the selection rests after a leap before states are fetched ahead. */
const REST_MS = 150;
/** How long what was on show stays while the next state is on its way: shorter than this, a note would only flicker. */
const PATIENCE_MS = 150;

class TreeView extends WidgetView {
  #states = new States((wanted) => this.tell({ kind: "state", ...wanted }));
  #frame = 0;
  #direction = 1;
  #isStepping = false;
  /** What the panel holds, so that it is not drawn twice. */
  #shown = "";
  /** @type {import("./tabs.js").Tab | null} */
  #shownTab = null;
  /** The frame whose state the editor holds; an edit that is typed while another is selected belongs to it. */
  #editorFrame = 0;
  /** What the editor holds. @type {unknown} */
  #json = undefined;
  #editsOnTheirWay = 0;
  #wasRefused = false;
  #isFocusWanted = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #resting;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #waiting;
  viewId = Math.random().toString(36).slice(2);

  /** @param {Model} model */
  constructor(model) {
    super(model, element("section", { class: "vcr-tree", "aria-label": "State tree", "data-testid": "vcr-tree" }));
    this.selection = selectionOf(model.get("group"));
    this.title = element("div", { class: "vcr-title" });
    this.tabs = new TabBar(() => this.show());
    this.note = element("p", { class: "vcr-empty", hidden: "" });
    this.editorBox = element("div", { class: "vcr-editor" });
    this.editor = new StateEditor(this.editorBox, {
      onEdit: (operations, undo) => this.#sendEdit(operations, undo),
      onUndo: () => this.#undo(),
      onSelect: (path) => this.#onSelect(path),
      onError: (words) => this.alert.show(words),
    });
    this.comparison = new ComparisonBar(() => this.show());
    this.list = element("div", { class: "vcr-diff", tabindex: "0", hidden: "", role: "region", "aria-label": "Changes or chat" });
    this.whole = new WholeText();
    this.bar = new PathBar({
      askWriters: (path) => this.tell({ kind: "writers", path }),
      go: (frame) => this.#go(frame),
      openWhole: (path, text) => this.whole.open(path, text),
    });
    this.edit = element("div", { class: "vcr-edit", hidden: "", "data-testid": "vcr-edit" });
    this.help = keyHelp("Keys of the state tree", KEYS);
    this.root.append(
      element("div", { class: "vcr-head" }, this.tabs.node, this.title, this.#tools()),
      this.help.panel,
      element("div", { role: "tabpanel" }, this.comparison.node, this.note, this.editorBox, this.list),
      this.bar.node,
      this.whole.node,
      this.edit,
    );
  }

  #tools() {
    const search = button("Search in the state (/)", () => this.obey("search"), "search", element("kbd", {}, "/"));
    return element("div", { class: "vcr-bar" }, search, this.help.button);
  }

  start() {
    super.start();
    this.on("change:epoch", () => this.#startOver());
    this.on("change:frame", () => {
      if (!this.selection.led) this.select(this.model.get("frame"));
    });
    this.root.addEventListener("keydown", (event) => this.#onKey(event));
    this.untilStop(
      this.selection.listen((frame) => this.select(frame)),
      this.selection.onCommand((command) => this.obey(command)),
    );
    this.#frame = this.selection.frame ?? this.model.get("frame");
    this.show();
  }

  stop() {
    super.stop();
    clearTimeout(this.#resting);
    clearTimeout(this.#waiting);
    this.editor.destroy();
  }

  applyTheme() {
    super.applyTheme();
    this.editorBox.classList.toggle("jse-theme-dark", this.root.classList.contains("vcr-dark"));
  }

  // ------------------------------------------------------------------------------- what the user asks for

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = /** @type {Element} */ (event.target);
    // The editor takes keys through a hidden field; where its state can be edited, they are text.
    const isKeyCatcher = target.matches(".jse-hidden-input") && this.editor.readOnly;
    if (isTextField(target) && !isKeyCatcher) return;
    const command = COMMANDS[event.key];
    if (command === undefined) return;
    event.preventDefault();
    this.obey(command);
    // A key in the scrubber leaves the focus there, so that the arrows go on.
    if (!this.tabs.isState) this.list.focus({ preventScroll: true });
  }

  /** @param {string} command of a key here or in the scrubber */
  obey(command) {
    if (command === "edit") {
      this.#isFocusWanted = true;
      this.tabs.open("input");
    } else if (command === "chat" || command === "changes") this.tabs.open(command);
    else if (command === "writer") {
      if (!this.tabs.isState) this.tabs.open("input");
      this.bar.jump(this.#frame);
      this.#showBar();
    } else if (command === "search") {
      if (!this.tabs.isState) this.tabs.open("input");
      this.editor.search();
    } else if (command === "help") this.help.toggle();
  }

  /** @param {number} frame */
  select(frame) {
    const step = frame - this.#frame;
    if (step !== 0) this.#direction = Math.sign(step);
    this.#isStepping = Math.abs(step) === 1;
    this.#frame = frame;
    this.show();
  }

  /** Select a frame here, and through the page's selection in the scrubber. @param {number} frame */
  #go(frame) {
    if (this.selection.led) return this.selection.select(frame);
    this.set("frame", frame);
  }

  /** @param {string} path */
  #onSelect(path) {
    this.bar.select(path);
    this.#showBar();
  }

  /** @param {Operation[]} operations @param {Operation[]} undo */
  #sendEdit(operations, undo) {
    const plain = plainOperations(operations);
    if (plain.length === 0) return;
    this.#editsOnTheirWay += 1;
    const by = `${this.viewId}/edit`;
    this.tell({ kind: "edit", frame: this.#editorFrame, operations: plain, undo: plainOperations(undo), by });
  }

  #undo() {
    const isEdited = (this.#states.input(this.#editorFrame)?.patch.length ?? 0) > 0 || this.#editsOnTheirWay > 0;
    if (isEdited) this.tell({ kind: "undo", frame: this.#editorFrame, by: `${this.viewId}/undo` });
  }

  // ------------------------------------------------------------------------------- what comes from the kernel

  #startOver() {
    this.#states.clear();
    this.bar.forget();
    this.editor.forget();
    this.whole.close();
    this.edit.dataset.shown = "";
    this.comparison.reset();
    this.#shown = "";
    this.show();
  }

  /** @param {any} message */
  receive(message) {
    if (message.epoch !== this.model.get("epoch")) return;
    if (message.kind === "state") this.#states.take(message, message);
    else if (message.kind === "failure") this.#states.fail(message, message.message);
    else if (message.kind === "absent") this.#states.fail(message, `the run has no frame ${message.frame} yet`);
    else if (message.kind === "sessions") return this.comparison.offer(message.sessions);
    else if (message.kind === "writers") {
      this.bar.take(message);
      return this.#showBar();
    } else if (message.kind === "patch") this.#takePatch(message);
    else if (message.kind === "stale") {
      for (const frame of message.frames) this.#states.forget(frame);
      if (message.frames.includes(this.#frame)) this.#shown = "";
    }
    this.show();
  }

  /** The kernel's word on an edit. @param {{frame: number, patch: Operation[], refused: string, by: string}} message */
  #takePatch({ frame, patch, refused, by }) {
    this.#states.edited(frame, patch);
    if (by === `${this.viewId}/edit`) {
      this.#editsOnTheirWay -= 1;
      this.#wasRefused ||= refused !== "";
      this.alert.show(refused);
    }
    // An edit made in this very view is on show already; drawing it again would end what is being typed.
    const isOnShow = by === `${this.viewId}/edit` && !(this.#wasRefused && this.#editsOnTheirWay === 0);
    if (isOnShow || frame !== this.#frame) return;
    this.#shown = "";
    this.#wasRefused = false;
  }

  #fetchAhead() {
    const sides = /** @type {Side[]} */ (this.tabs.tab === "input" ? ["input", "output"] : ["output", "input"]);
    this.#states.fetchAhead(this.#frame, this.#direction, sides);
  }

  /** Who goes step by step will want the next state; who drags over hundreds wants none of those passed. */
  #expectMore() {
    clearTimeout(this.#resting);
    if (this.#isStepping) this.#fetchAhead();
    else this.#resting = setTimeout(() => this.#fetchAhead(), REST_MS);
  }

  // ----------------------------------------------------------------------------------- what is on show

  show() {
    this.root.dataset.frame = String(this.#frame);
    this.root.dataset.ready = "false";
    this.comparison.node.hidden = this.tabs.tab !== "changes";
    this.edit.hidden = true;
    this.title.textContent = `frame ${this.#frame}`;
    if (this.tabs.tab === "changes") this.#showChanges();
    else if (this.tabs.tab === "chat") this.#showChat();
    else this.#showState(this.tabs.tab);
    this.#showBar();
  }

  #showBar() {
    if (!this.tabs.isState) this.bar.node.hidden = true;
    else this.bar.show(this.#frame, this.bar.path === "" ? undefined : valueAt(this.#json, this.bar.path));
  }

  /** @param {string} text why there is nothing else to see; empty when there is */
  #showNote(text) {
    this.note.textContent = text;
    this.note.hidden = text === "";
    this.editorBox.hidden = text !== "" || !this.tabs.isState;
    this.list.hidden = text !== "" || this.tabs.isState;
  }

  /** @param {string | null} reason why there is no state; null while it is on its way */
  #showReason(reason) {
    clearTimeout(this.#waiting);
    if (reason !== null) {
      this.#showNote(reason);
      return this.#ready();
    }
    const wait = () => this.#showNote(`waiting for the kernel: the state of frame ${this.#frame}`);
    if (this.#shown === "" || this.#shownTab !== this.tabs.tab) wait();
    else this.#waiting = setTimeout(wait, PATIENCE_MS);
  }

  #ready() {
    this.root.dataset.ready = "true";
    this.#expectMore();
  }

  /** @param {string} wanted what the panel is to hold @param {() => void} draw */
  #draw(wanted, draw) {
    clearTimeout(this.#waiting);
    this.#showNote("");
    if (this.#shown !== wanted) {
      [this.#shown, this.#shownTab] = [wanted, this.tabs.tab];
      draw();
    }
    this.#ready();
  }

  /** @param {Side} side */
  #showState(side) {
    const state = this.#states.look(this.#frame, side);
    if (state === null || typeof state === "string") return this.#showReason(state);
    this.title.textContent = state.title;
    this.#draw(`${this.#frame}/${side}`, () => this.#fillEditor(state, side));
    this.edit.hidden = side !== "input" || state.patch.length === 0;
    if (!this.edit.hidden) this.#showEdit(this.#frame, state);
    if (this.#isFocusWanted) this.editor.focus();
    this.#isFocusWanted = false;
  }

  /** @param {Loaded} state @param {Side} side */
  #fillEditor({ text, patch }, side) {
    const recorded = JSON.parse(text);
    this.#json = side === "input" ? patched(recorded, patch) : recorded;
    this.editor.show(this.#json, side === "output", text.length);
    // Not before: what was being typed in the state that was on show has ended now, and belongs to that one.
    this.#editorFrame = this.#frame;
    this.whole.follow(this.#json);
  }

  #showChat() {
    const before = this.#states.look(this.#frame, "input");
    const after = this.#states.look(this.#frame, "output");
    if (before === null || after === null) return this.#showReason(null);
    const shown = typeof after === "string" ? before : after;
    if (typeof shown === "string") return this.#showReason(shown);
    this.title.textContent = `${shown.title} · ${shown === after ? "after the step" : "before the step: there is no state after it"}`;
    const known = shown === before ? undefined : typeof before === "string" ? undefined : JSON.parse(before.text);
    this.#draw(`${this.#frame}/chat`, () => this.list.replaceChildren(chatView(known, JSON.parse(shown.text))));
  }

  #showChanges() {
    this.comparison.askOnce(() => this.tell({ kind: "sessions" }));
    const { choice } = this.comparison;
    const own = this.#states.look(this.#frame, "output");
    if (own === null) return this.#showReason(null);
    // A failed step has no state after it, but it can be compared before it ran.
    const side = typeof own === "string" && choice.kind !== "own" ? "input" : "output";
    const why = side === "input" ? ` ${own}` : "";
    this.comparison.words.textContent = `${inWords(choice, this.#frame, side)}${why}`;
    const place = reference(choice, this.#frame, side);
    if (place.frame < 0) return this.#showReason("Frame 0 is the first: there is no frame before it to compare with.");
    const after = this.#states.look(this.#frame, side);
    const before = this.#states.look(place.frame, place.side, place.session);
    for (const state of [before, after]) if (state === null || typeof state === "string") return this.#showReason(state);
    const [one, other] = /** @type {[Loaded, Loaded]} */ ([before, after]);
    this.title.textContent = other.title;
    const same = choice.kind === "own" ? "This step changed nothing in the state." : "There is no difference.";
    const draw = () => this.list.replaceChildren(changeList(JSON.parse(one.text), JSON.parse(other.text), same));
    this.#draw(`${this.#frame}/${JSON.stringify(place)}`, draw);
  }

  /** @param {number} frame @param {Loaded} state */
  #showEdit(frame, { text, patch }) {
    const wanted = `${frame}/${JSON.stringify(patch)}`;
    if (this.edit.dataset.shown === wanted) return;
    this.edit.dataset.shown = wanted;
    const by = `${this.viewId}/undo`;
    const undo = () => this.tell({ kind: "undo", frame, by });
    const clear = () => this.tell({ kind: "clear", frame, by });
    this.edit.replaceChildren(...pendingEdit(frame, JSON.parse(text), patch, undo, clear));
  }
}

export const render = showing(TreeView);
