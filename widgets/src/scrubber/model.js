// What the scrubber knows and decides, without a page.
import { ERROR, LIVE, PROVENANCES, STATUSES, TYPES } from "../shared/types.js";

/** @typedef {import("../shared/types.js").Row} Row */
/** @typedef {import("../shared/types.js").Detail} Detail */

/** Narrowest cell, in pixels, that still shows its type and mark; below it the strip becomes an overview. */
export const READABLE_CELL = 9;
/** Deepest nesting with a lane of its own; deeper frames share the last one. */
export const MAX_LANES = 5;

/** The frames that have arrived, in order and without holes. */
export class FrameStore {
  /** @type {Row[]} */
  rows = [];
  /** @type {Map<number, Detail>} */
  details = new Map();

  get count() {
    return this.rows.length;
  }

  /**
   * Take in a batch that starts at frame `at`; what is known already is skipped.
   * @param {number} at
   * @param {Row[]} rows
   * @returns {boolean} false when frames before `at` are missing: ask for them
   */
  append(at, rows) {
    if (at > this.count) return false;
    this.rows.push(...rows.slice(this.count - at));
    return true;
  }

  /** Take in frames that were running when they came. @param {[number, Row][]} changed */
  change(changed) {
    for (const [number, row] of changed) {
      if (number < this.count) this.rows[number] = row;
      this.details.delete(number);
    }
  }

  /** @param {Detail[]} details */
  describe(details) {
    for (const detail of details) this.details.set(detail.number, detail);
  }
}

/** @param {number} frame @param {number} count @returns {number} the nearest frame there is (0 when there is none) */
export function clamp(frame, count) {
  return Math.max(0, Math.min(count - 1, Math.round(frame)));
}

/**
 * @param {Row[]} rows
 * @param {number} from
 * @returns {number | null} the first failed frame after `from`, else the first of all, or null
 */
export function nextError(rows, from) {
  const failed = (/** @type {Row} */ row) => row[1] === ERROR;
  const later = rows.findIndex((row, number) => number > from && failed(row));
  if (later >= 0) return later;
  const first = rows.findIndex(failed);
  return first >= 0 ? first : null;
}

/**
 * The frames to show at a readable width: all of them if they fit, else a window around the selected one.
 * @param {number} frame
 * @param {number} count
 * @param {number} width pixels
 * @returns {{first: number, stop: number}}
 */
export function closeUp(frame, count, width) {
  const fits = Math.max(1, Math.floor(width / READABLE_CELL));
  if (count <= fits) return { first: 0, stop: count };
  const first = Math.max(0, Math.min(frame - Math.floor(fits / 2), count - fits));
  return { first, stop: first + fits };
}

/** @param {Row[]} rows @returns {number} lanes that the nesting of these frames needs */
export function laneCount(rows) {
  return rows.reduce((lanes, row) => Math.max(lanes, Math.min(row[3] + 1, MAX_LANES)), 1);
}

/** A frame's place in the strip. @typedef {{number: number, x: number, width: number, lane: number}} Cell */

/** @param {Row[]} rows @returns {boolean} whether every frame says when it started */
export function isTimed(rows) {
  return rows.length > 0 && rows.every((row) => row[4] !== null);
}

/**
 * Lay frames out side by side, equally wide.
 * @param {Row[]} rows the frames of the window
 * @param {number} first number of the first of them
 * @param {number} width pixels
 * @returns {Cell[]}
 */
export function cellsByCount(rows, first, width) {
  const cell = Math.min(48, width / Math.max(1, rows.length));
  return rows.map((row, i) => ({ number: first + i, x: i * cell, width: cell, lane: Math.min(row[3], MAX_LANES - 1) }));
}

/**
 * Lay frames out by their start and length; one of unknown length reaches to the next start, none is under 3 px.
 * @param {Row[]} rows the frames of the window, all with a start
 * @param {number} first
 * @param {number} width pixels
 * @returns {Cell[]}
 */
export function cellsByTime(rows, first, width) {
  const starts = rows.map((row) => row[4] ?? 0);
  const ends = rows.map((row, i) => (starts[i] ?? 0) + (row[5] ?? Math.max(0, (starts[i + 1] ?? 0) - (starts[i] ?? 0))));
  const begin = Math.min(...starts);
  const scale = (width - 3) / Math.max(1e-9, Math.max(...ends) - begin);
  return rows.map((row, i) => ({
    number: first + i,
    x: ((starts[i] ?? 0) - begin) * scale,
    width: Math.max(3, ((ends[i] ?? 0) - (starts[i] ?? 0)) * scale),
    lane: Math.min(row[3], MAX_LANES - 1),
  }));
}

/**
 * @param {Cell[]} cells
 * @param {number} x pixels from the strip's left edge
 * @param {number | null} lane preferred lane, or null
 * @returns {number | null} the frame at that place: the innermost that covers it, else the nearest
 */
export function frameAt(cells, x, lane) {
  const distance = (/** @type {Cell} */ cell) =>
    x < cell.x ? cell.x - x : Math.max(0, x - (cell.x + cell.width) + Number.MIN_VALUE);
  const rank = (/** @type {Cell} */ cell) => [distance(cell), cell.lane === lane ? 0 : 1, -cell.lane];
  /** @type {Cell | null} */
  let best = null;
  for (const cell of cells) {
    if (best === null || isBefore(rank(cell), rank(best))) best = cell;
  }
  return best?.number ?? null;
}

/** @param {number[]} one @param {number[]} other */
function isBefore(one, other) {
  for (const [i, value] of one.entries()) {
    if (value !== other[i]) return value < (other[i] ?? 0);
  }
  return false;
}

/**
 * The overview: for each pixel column the frame that matters most in it (failed or cancelled, then running, then the
 * first).
 * @param {Row[]} rows
 * @param {number} columns
 * @returns {number[]} frame numbers, one a column
 */
export function overview(rows, columns) {
  const weight = (/** @type {Row} */ row) => [0, 3, 2, 3, 3][row[1]] ?? 1;
  return Array.from({ length: columns }, (_, column) => {
    const first = Math.floor((column * rows.length) / columns);
    const stop = Math.max(first + 1, Math.floor(((column + 1) * rows.length) / columns));
    let best = first;
    for (let i = first + 1; i < stop; i += 1) {
      const [one, other] = [rows[i], rows[best]];
      if (one && other && weight(one) > weight(other)) best = i;
    }
    return best;
  });
}

/** @param {number | null} ms @returns {string} */
export function duration(ms) {
  if (ms === null) return "";
  if (ms < 1) return "under 1 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/**
 * The selected frame in words: the label, and what a screen reader says.
 * @param {number} frame
 * @param {number} count
 * @param {Row | undefined} row
 * @param {Detail | undefined} detail
 */
export function describe(frame, count, row, detail) {
  if (!row) return count === 0 ? "no frames yet" : `frame ${frame} / ${count - 1}`;
  const words = [
    `frame ${frame} / ${count - 1}`,
    detail?.name ?? "",
    TYPES[row[0]] ?? "unknown type",
    STATUSES[row[1]] ?? "unknown status",
    row[2] === LIVE ? "" : (PROVENANCES[row[2]] ?? "unknown origin"),
    duration(row[5]),
  ];
  return words.filter((word) => word !== "").join(" · ");
}

/** What the state tree does, not the scrubber. */
export const TREE_COMMANDS = ["edit", "changes", "chat", "writer", "search"];

/** @type {Record<string, string>} */
const KEYS = {
  ArrowLeft: "previous",
  ArrowRight: "next",
  Home: "first",
  End: "last",
  PageUp: "back",
  PageDown: "forward",
  " ": "play",
  n: "error",
  e: "edit",
  d: "changes",
  c: "chat",
  w: "writer",
  "/": "search",
  "?": "help",
  r: "resume",
  f: "fork",
};
/** What the bar of buttons does, where one is beside the scrubber. */
export const COMMANDS = ["resume", "fork"];

/** What the keys do, as the help of the scrubber says it. @type {import("../shared/help.js").KeyHelp[]} */
export const KEY_HELP = [
  ["← →", "one frame back, one on"],
  ["Home End", "first frame, last frame"],
  ["PageUp PageDown", "a strip's width back, on"],
  ["Space", "play, pause"],
  ["n", "next failed frame"],
  ["w", "frame that wrote the selected value before"],
  ["e", "edit the state before the frame"],
  ["d", "what the frame changed (diff)"],
  ["c", "its messages as a chat"],
  ["r", "resume from the frame, in the debugger"],
  ["f", "fork before the frame, in the debugger"],
  ["/", "search in the state"],
  ["?", "this help"],
];

/**
 * @param {{key: string, ctrlKey: boolean, metaKey: boolean, altKey: boolean}} event
 * @returns {string | null} what the key does, or null for a key that is the page's
 */
export function actionOf(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  return KEYS[event.key] ?? null;
}
