// The states that arrived last.

/** @typedef {import("../shared/types.js").Operation} Operation */

/**
 * A state as it came from the kernel: JSON text, the edit that waits for it, and its frame in a line.
 * @typedef {{text: string, patch: Operation[], title: string}} Loaded
 */

/** Characters of states kept in the page, so that stepping back needs no kernel; the newest is kept in any case. */
export const CACHE_CHARACTERS = 12_000_000;

export class StateCache {
  /** @type {Map<string, Loaded>} insertion order is order of use */
  #states = new Map();
  #size = 0;

  /** @param {number} [limit] characters */
  constructor(limit = CACHE_CHARACTERS) {
    this.limit = limit;
  }

  /** @param {string} key @returns {Loaded | undefined} */
  get(key) {
    const state = this.#states.get(key);
    if (state) {
      this.#states.delete(key);
      this.#states.set(key, state);
    }
    return state;
  }

  /** @param {string} key @returns {boolean} */
  has(key) {
    return this.#states.has(key);
  }

  keys() {
    return this.#states.keys();
  }

  /** @param {string} key @param {Loaded} state */
  put(key, state) {
    this.drop(key);
    this.#states.set(key, state);
    this.#size += state.text.length;
    for (const [other, old] of this.#states) {
      if (this.#size <= this.limit || old === state) break;
      this.#states.delete(other);
      this.#size -= old.text.length;
    }
  }

  /** @param {string} key */
  drop(key) {
    const old = this.#states.get(key);
    if (!old) return;
    this.#states.delete(key);
    this.#size -= old.text.length;
  }

  clear() {
    this.#states.clear();
    this.#size = 0;
  }
}
