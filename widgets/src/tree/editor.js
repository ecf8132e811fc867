// The JSON tree that a state is read and edited in: one editor for the life of the view, fed again for each state.
import { createJSONEditor } from "vanilla-jsoneditor";
import { CACHE_CHARACTERS } from "./cache.js";
import { keysOf, openAtFirst, pointerOf, selectedPath, tagOf, valueAt } from "./model.js";

/** @typedef {import("../shared/types.js").Operation} Operation */

/** Characters of a text that are shown before "show more". */
const TEXT_CHARACTERS = 300;
const EDITED = "[contenteditable=true]";

/**
 * What the editor tells.
 * @typedef {{
 *   onEdit: (operations: Operation[], undo: Operation[]) => void,
 *   onUndo: () => void,
 *   onSelect: (path: string) => void,
 *   onError: (words: string) => void,
 * }} Listeners
 */

export class StateEditor {
  /** @type {ReturnType<typeof createJSONEditor> | null} */
  #editor = null;
  /** Keys of the state that were opened without being asked to. @type {Set<string>} */
  #opened = new Set();
  /** Characters that the editor remembers in its history, which only a new start empties. */
  #remembered = 0;
  readOnly = false;

  /** @param {HTMLElement} box @param {Listeners} listeners */
  constructor(box, listeners) {
    this.box = box;
    this.listeners = listeners;
    box.addEventListener("keydown", (event) => this.#undoKey(event), { capture: true });
  }

  /**
   * Show a state. What the user opened and selected stays so where the state has it.
   * @param {unknown} json
   * @param {boolean} readOnly
   * @param {number} characters size of the state as text
   */
  show(json, readOnly, characters) {
    this.readOnly = readOnly;
    this.#remembered += characters;
    // What is being typed must not go to the other state, and only an editor made anew ends the typing.
    const isFed = this.#editor !== null && this.#remembered < CACHE_CHARACTERS && !this.isTyping;
    this.#editor ??= createJSONEditor({ target: this.box, props: this.#props() });
    if (isFed) this.#editor.updateProps({ content: { json }, readOnly });
    else this.#startWith(this.#editor, json, readOnly, characters);
    const opened = new Set(openAtFirst(json));
    for (const key of this.#opened) if (!opened.has(key) && valueAt(json, key) !== undefined) this.#close(key);
    const fresh = [...opened].filter((key) => !this.#opened.has(key));
    if (fresh.length > 0) {
      const paths = new Set(fresh);
      this.#editor.expand([], (path) => path.length === 0 || (path.length === 1 && paths.has(pointerOf(path))));
    }
    this.#opened = opened;
  }

  /**
   * @param {ReturnType<typeof createJSONEditor>} editor
   * @param {unknown} json @param {boolean} readOnly @param {number} characters
   */
  #startWith(editor, json, readOnly, characters) {
    editor.updateProps({ readOnly });
    editor.set({ json });
    this.#opened = new Set();
    this.#remembered = characters;
  }

  /** @param {string} key JSON Pointer */
  #close(key) {
    this.#editor?.collapse(keysOf(key));
  }

  /** Begin anew with the next state: nothing opened, nothing selected. */
  forget() {
    this.#remembered = Infinity;
    this.#editor?.updateProps(/** @type {{}} */ ({ selection: null }));
  }

  /** True while a value or key is being typed. */
  get isTyping() {
    return this.box.querySelector(EDITED) !== null;
  }

  /** Select a value and bring it into view. @param {string} path JSON Pointer of a value that is there */
  select(path) {
    const keys = keysOf(path);
    this.#editor?.scrollTo(keys);
    this.#editor?.select(/** @type {import("vanilla-jsoneditor").JSONEditorSelection} */ ({ type: "value", path: keys }));
  }

  focus() {
    this.#editor?.focus();
  }

  /** Open the search in what is shown. */
  search() {
    /** @type {HTMLElement | null} */ (this.box.querySelector("button.jse-search"))?.click();
  }

  destroy() {
    this.#editor?.destroy();
  }

  /**
   * The editor's own history would go from one frame's state back into another's, so undo is asked of the kernel.
   * @param {KeyboardEvent} event
   */
  #undoKey(event) {
    const key = event.key.toLowerCase();
    if (this.isTyping || !(event.ctrlKey || event.metaKey) || (key !== "z" && key !== "y")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (key === "z" && !event.shiftKey) this.listeners.onUndo();
  }

  /** @returns {import("vanilla-jsoneditor").JSONEditorPropsOptional} */
  #props() {
    return {
      mode: /** @type {import("vanilla-jsoneditor").Mode} */ ("tree"),
      mainMenuBar: true,
      navigationBar: true,
      askToFormat: false,
      truncateTextSize: TEXT_CHARACTERS,
      onChange: (content, _previous, { patchResult }) => {
        if (patchResult) return this.listeners.onEdit(patchResult.redo, patchResult.undo);
        const value = "json" in content ? content.json : JSON.parse(content.text);
        this.listeners.onEdit([{ op: "replace", path: "", value }], []);
      },
      onSelect: (selection) => this.listeners.onSelect(selectedPath(selection)),
      onRenderMenu: (items) => items.filter(isKept),
      onRenderContextMenu: (items) => items.map(shortened),
      onClassName: (path, value) => {
        if (path.at(-1) === "$t") return "vcr-tag";
        return tagOf(value) === null ? undefined : "vcr-tagged";
      },
      onError: (error) => this.listeners.onError(error.message),
    };
  }
}

/** @param {import("vanilla-jsoneditor").MenuItem} item what reads the state; what writes it wholesale has no place here */
function isKept(item) {
  return "className" in item && /jse-(expand-all|collapse-all|search)/.test(item.className ?? "");
}

/** What of the context menu rewrites much at once; without it the menu has room. */
const LEFT_OUT = ["Extract", "Sort", "Transform", "Structure"];

/**
 * @template {import("vanilla-jsoneditor").ContextMenuItem | import("vanilla-jsoneditor").ContextMenuColumn} Item
 * @param {Item} item @returns {Item} the item without what is left out inside it
 */
function shortened(item) {
  if (item.type !== "row" && item.type !== "column") return item;
  const kept = /** @type {any[]} */ (item.items).filter((each) => !(each.type === "button" && LEFT_OUT.includes(each.text)));
  return { ...item, items: kept.map(shortened) };
}
