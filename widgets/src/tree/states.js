// The states that the page has, waits for, or was told it cannot have; and which to fetch next.
import { StateCache } from "./cache.js";

/** @typedef {import("../shared/types.js").Side} Side */
/** @typedef {import("./cache.js").Loaded} Loaded */

/** States on their way at once: while the user drags over hundreds of frames, most are never asked for. */
const MOST_ASKED = 2;
/** Frames that are fetched ahead, on each side of the selected one. */
const AHEAD = 3;

/** A request: the state of a frame, or of the frame of the same key in another session. @typedef {{frame: number, side: Side, session: string}} Wanted */

/** @param {Wanted} wanted @returns {string} */
const keyOf = ({ frame, side, session }) => `${frame}/${side}/${session}`;

export class States {
  #cache = new StateCache();
  /** What the kernel said instead of a state. @type {Map<string, string>} */
  #failures = new Map();
  /** @type {Set<string>} */
  #asked = new Set();

  /** @param {(wanted: Wanted) => void} ask sends a request to the kernel */
  constructor(ask) {
    this.ask = ask;
  }

  /**
   * The state, or the reason why there is none, or null while it is on its way.
   * @param {number} frame @param {Side} side @param {string} [session] another one; empty for this
   * @returns {Loaded | string | null}
   */
  look(frame, side, session = "") {
    const wanted = { frame, side, session };
    const key = keyOf(wanted);
    const known = this.#cache.get(key) ?? this.#failures.get(key);
    if (known !== undefined) return known;
    if (!this.#asked.has(key) && this.#asked.size < MOST_ASKED) this.#request(wanted);
    return null;
  }

  /** What is here of a frame's input, without asking for it. @param {number} frame @returns {Loaded | undefined} */
  input(frame) {
    return this.#cache.get(keyOf({ frame, side: "input", session: "" }));
  }

  /** @param {Wanted} wanted */
  #request(wanted) {
    this.#asked.add(keyOf(wanted));
    this.ask(wanted);
  }

  /** @param {Wanted} wanted @param {Loaded} state */
  take(wanted, state) {
    const key = keyOf(wanted);
    this.#asked.delete(key);
    this.#failures.delete(key);
    this.#cache.put(key, state);
  }

  /** Not asked for again before `forget`. @param {Wanted} wanted @param {string} reason */
  fail(wanted, reason) {
    const key = keyOf(wanted);
    this.#asked.delete(key);
    this.#failures.set(key, reason);
  }

  /** @param {number} frame @param {Loaded["patch"]} patch the edit that waits for it now */
  edited(frame, patch) {
    const state = this.input(frame);
    if (state) this.#cache.put(keyOf({ frame, side: "input", session: "" }), { ...state, patch });
  }

  /** Ask again for the states of a frame that was running. @param {number} frame */
  forget(frame) {
    const isOfFrame = (/** @type {string} */ key) => key.startsWith(`${frame}/`);
    for (const key of [...this.#cache.keys()].filter(isOfFrame)) this.#cache.drop(key);
    for (const key of [...this.#failures.keys()].filter(isOfFrame)) this.#failures.delete(key);
  }

  clear() {
    this.#cache.clear();
    this.#failures.clear();
    this.#asked.clear();
  }

  /**
   * Fetch one state near the selected frame; its answer leads here again for the next.
   * @param {number} frame
   * @param {number} direction in which the user goes: 1 or -1
   * @param {readonly Side[]} sides the one on show first
   */
  fetchAhead(frame, direction, sides) {
    if (this.#asked.size > 0) return;
    const next = nearby(frame, direction, sides).find((wanted) => this.#isUnknown(keyOf(wanted)));
    if (next) this.#request(next);
  }

  /** @param {string} key */
  #isUnknown(key) {
    return !this.#cache.has(key) && !this.#failures.has(key);
  }
}

/**
 * The states around a frame in the order in which they are likely to be seen.
 * @param {number} frame @param {number} direction @param {readonly Side[]} sides
 * @returns {Wanted[]}
 */
export function nearby(frame, direction, sides) {
  const steps = [0, ...Array.from({ length: AHEAD }, (_, i) => [i + 1, -i - 1]).flat()].map((step) => step * direction);
  const wanted = sides.flatMap((side) => steps.map((step) => ({ frame: frame + step, side, session: "" })));
  return wanted.filter((one) => one.frame >= 0);
}
