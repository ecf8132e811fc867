// What the bar of buttons says and decides, without a page.

/**
 * A button: `reason` says why it cannot work now, and is empty when it can.
 * @typedef {{name: string, label: string, key: string, hint: string, reason: string}} Ability
 */

/**
 * How far the verb at work is; the kernel's `progress`, with no name when none is at work.
 * @typedef {{name?: string, label?: string, served?: number, executed?: number, step?: string, cancellable?: boolean,
 *   cancelling?: boolean}} Progress
 */

/**
 * What came of the last button; the kernel's `outcome`, with no kind when there is none to show.
 * @typedef {{kind?: "ok" | "failed" | "error" | "cancelled" | "plan" | "blocked", title?: string, text?: string,
 *   session?: string, frame?: number | null, jump?: boolean}} Outcome
 */

/** How long the kernel may take to answer a click before the page says that it is busy, in ms. */
export const PATIENCE_MS = 900;

export const BUSY = "The kernel is busy with a cell and answers when that has ended: the click waits.";

/** @param {Ability} ability @returns {string} the tooltip: what it does, or why it cannot */
export function tooltip({ hint, key, reason }) {
  if (reason) return reason;
  return key ? `${hint} (${key})` : hint;
}

/**
 * @param {Ability[]} abilities
 * @returns {string} the line below the buttons: why the first one cannot work, where that is not said otherwise
 */
export function obstacle(abilities) {
  const [first] = abilities;
  return first?.reason ? `${first.label}: ${first.reason}` : "";
}

/** @param {number} count @param {string} noun */
const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

/** @param {Progress} progress @param {number} seconds since it began @returns {string} */
export function progressLine(progress, seconds) {
  const { label = "", served = 0, executed = 0, step = "", cancellable, cancelling } = progress;
  const words = [label];
  if (cancellable) words.push(`${counted(served, "step")} served`, `${executed} executed`);
  if (step) words.push(`last: ${step}`);
  words.push(`${seconds.toFixed(1)} s`);
  if (cancelling) words.push("ending at the next step or Python instruction; a call that blocks ends first");
  return words.join(" · ");
}

/** Sign of an outcome, so that it is told without its colour. @param {Outcome["kind"]} kind */
export function sign(kind) {
  return { ok: "✓", failed: "✕", error: "✕", cancelled: "▼", plan: "?", blocked: "!" }[kind ?? "ok"];
}

/**
 * The messages that were sent and not heard yet: a kernel that is busy is told from one that answers.
 */
export class Waiting {
  #last = 0;
  /** @type {Set<number>} */
  #open = new Set();

  /** @returns {number} the id of a new message */
  send() {
    this.#last += 1;
    this.#open.add(this.#last);
    return this.#last;
  }

  /** @param {number} id */
  heard(id) {
    // Messages are handled in their order: what was sent before has been heard as well.
    for (const other of [...this.#open]) if (other <= id) this.#open.delete(other);
  }

  get isOpen() {
    return this.#open.size > 0;
  }
}
