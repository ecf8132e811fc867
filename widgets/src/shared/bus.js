// Which frame is selected, shared by the widgets of one debugger on one page.
//
// The scrubber tells the tree here and not through the kernel: a kernel that runs an agent answers late, and while
// the user drags, its late answers would pull the selection back.

/** @typedef {(frame: number) => void} Listener */
/** @typedef {(name: string) => void} Doer */

export class Selection {
  /** @type {Set<Listener>} */
  #listeners = new Set();
  /** @type {Set<Doer>} */
  #doers = new Set();
  #sources = 0;
  /** @type {number | null} */
  frame = null;

  /** True while a scrubber is on the page: then it leads, and what the kernel says about the frame comes through it. */
  get led() {
    return this.#sources > 0;
  }

  /** Announce a scrubber. @returns {() => void} call it when the scrubber is gone */
  lead() {
    this.#sources += 1;
    return () => {
      this.#sources -= 1;
    };
  }

  /** @param {number} frame */
  select(frame) {
    if (frame === this.frame) return;
    this.frame = frame;
    for (const listener of [...this.#listeners]) listener(frame);
  }

  /** @param {Listener} listener @returns {() => void} stops listening */
  listen(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Ask for something that another widget of the group does, such as "resume". @param {string} name */
  command(name) {
    for (const doer of [...this.#doers]) doer(name);
  }

  /** @param {Doer} doer @returns {() => void} stops listening */
  onCommand(doer) {
    this.#doers.add(doer);
    return () => this.#doers.delete(doer);
  }
}

// Each widget is a bundle of its own, so the meeting place has to be the page.
const PAGE = /** @type {Record<symbol, Map<string, Selection> | undefined>} */ (/** @type {unknown} */ (globalThis));
const PLACE = Symbol.for("agent_vcr_nb.selections");

/** @param {string} group id of the debugger; empty for a widget that stands alone @returns {Selection} */
export function selectionOf(group) {
  if (!group) return new Selection();
  const selections = (PAGE[PLACE] ??= new Map());
  const known = selections.get(group);
  if (known) return known;
  const created = new Selection();
  selections.set(group, created);
  return created;
}
