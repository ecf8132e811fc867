// What the selected state is compared with: the choice, and the choice in words.
import { element } from "../shared/dom.js";

/** @typedef {import("../shared/types.js").Side} Side */
/** @typedef {"own" | "previous" | "frame" | "session"} Kind */
/** @typedef {{kind: Kind, frame: number, session: string}} Choice */
/** A session of the folder, the parent first. @typedef {{session: string, words: string}} Neighbour */
/** One side of a comparison. @typedef {{frame: number, side: Side, session: string}} Place */

/** @param {Choice} choice @param {number} frame the selected one @param {Side} side @returns {Place} what to compare it with */
export function reference({ kind, frame: other, session }, frame, side) {
  if (kind === "own") return { frame, side: "input", session: "" };
  if (kind === "session") return { frame, side, session };
  return { frame: kind === "previous" ? frame - 1 : other, side, session: "" };
}

/** @param {Side} side */
const when = (side) => (side === "input" ? "before" : "after");

/**
 * @param {Choice} choice @param {number} frame @param {Side} side
 * @returns {string} what differs from what
 */
export function inWords(choice, frame, side) {
  if (choice.kind === "own") return `What frame ${frame} changed: the state before it (−) and after it (+).`;
  const other = reference(choice, frame, side);
  const of = choice.kind === "session" ? `the frame of the same key in ${choice.session}` : `frame ${other.frame}`;
  return `The state ${when(side)} ${of} (−) and ${when(side)} frame ${frame} (+).`;
}

/** @type {[Kind, string][]} */
const CHOICES = [
  ["own", "this step's input"],
  ["previous", "the frame before"],
  ["frame", "another frame …"],
];

/** The line in which the user chooses, and reads what was chosen. */
export class ComparisonBar {
  /** @type {Choice} */
  choice = { kind: "own", frame: 0, session: "" };
  #isAsked = false;

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.select = element("select", { class: "vcr-field", "aria-label": "Compare with" });
    this.number = element("input", { class: "vcr-field vcr-number-field", type: "number", min: "0", value: "0", "aria-label": "Frame to compare with" });
    this.words = element("p", { class: "vcr-compared-words", "aria-live": "polite", "data-testid": "vcr-compared" });
    this.sessions = element("optgroup", { label: "the same step in another session" });
    this.select.append(...CHOICES.map(([kind, label]) => element("option", { value: kind }, label)));
    this.node = element(
      "div",
      { class: "vcr-comparison", hidden: "" },
      element("label", { class: "vcr-bar" }, "Compare with ", this.select, this.number),
      this.words,
    );
    this.select.addEventListener("change", () => this.#choose(onChange));
    this.number.addEventListener("change", () => this.#choose(onChange));
    this.#showNumber();
  }

  /** @param {() => void} onChange */
  #choose(onChange) {
    const value = this.select.value;
    const session = value.startsWith("session:") ? value.slice("session:".length) : "";
    const kind = /** @type {Kind} */ (session ? "session" : value);
    this.choice = { kind, frame: Math.max(0, Math.round(Number(this.number.value) || 0)), session };
    this.#showNumber();
    onChange();
  }

  #showNumber() {
    this.number.hidden = this.choice.kind !== "frame";
  }

  /** Ask for the other sessions of the folder, once for a run. @param {() => void} ask */
  askOnce(ask) {
    if (this.#isAsked) return;
    this.#isAsked = true;
    ask();
  }

  /** @param {Neighbour[]} sessions */
  offer(sessions) {
    const options = sessions.map(({ session, words }) => element("option", { value: `session:${session}` }, `${session} (${words})`));
    if (options.length === 0) options.push(element("option", { disabled: "" }, "there is no other session in the folder"));
    this.sessions.replaceChildren(...options);
    this.select.append(this.sessions);
  }

  /** Back to the first choice, for another run. */
  reset() {
    this.#isAsked = false;
    this.sessions.remove();
    this.select.value = "own";
    this.choice = { kind: "own", frame: 0, session: "" };
    this.#showNumber();
  }
}
