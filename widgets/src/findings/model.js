// Which findings are on show, and in what order, without a page.

/**
 * A finding as Python sends it; agent_vcr_nb/notebook/findings_table.py is the other side.
 * @typedef {{rule: string, code: string, severity: string, message: string, path: string, line: number,
 *   cell: number | null, symbol: string, key: string, frame: number | null, value: number | null,
 *   limit: number | null}} Finding
 */

/** Rows that are drawn; of more the user is asked to filter. */
export const DRAWN = 300;
/** @type {Record<string, number>} */
const RANK = { critical: 0, warning: 1 };
/** Column and its heading. @type {[string, string][]} */
export const COLUMNS = [
  ["severity", "Severity"],
  ["rule", "Rule"],
  ["place", "Place"],
  ["symbol", "In"],
  ["message", "What to do"],
  ["frame", "Written by"],
];

/** @param {Finding} finding */
export function placeOf(finding) {
  return `${finding.path}:${finding.cell == null ? "" : `cell ${finding.cell}:`}${finding.line}`;
}

/** @param {Finding} finding @param {string} column @returns {(string | number)[]} what findings are compared by */
function orderOf(finding, column) {
  const place = [finding.path, finding.cell ?? 0, finding.line];
  switch (column) {
    case "severity":
      return [RANK[finding.severity] ?? 2, ...place];
    case "place":
      return place;
    case "frame":
      return [finding.frame ?? Infinity, ...place];
    case "rule":
    case "symbol":
    case "message":
      return [finding[column], ...place];
    default:
      return place;
  }
}

/** @param {(string | number)[]} one @param {(string | number)[]} other @returns {number} */
function compared(one, other) {
  for (const [n, value] of one.entries()) {
    const against = other[n] ?? 0;
    if (value !== against) return value < against ? -1 : 1;
  }
  return 0;
}

/**
 * @param {Finding[]} findings
 * @param {{severity: string, text: string, sort: string, descending: boolean}} choice severity "" for all; `text` has
 *   words that all must occur
 * @returns {Finding[]} what is on show, in order
 */
export function shownOf(findings, { severity, text, sort, descending }) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const kept = findings.filter((finding) => {
    const { rule, code, message, symbol } = finding;
    const all = `${rule} ${code} ${message} ${placeOf(finding)} ${symbol}`.toLowerCase();
    return (!severity || finding.severity === severity) && words.every((word) => all.includes(word));
  });
  const turn = descending ? -1 : 1;
  return kept.sort((a, b) => turn * compared(orderOf(a, sort), orderOf(b, sort)));
}

/** @param {Finding} one @param {Finding | null} other */
export function isSame(one, other) {
  return other !== null && one.key === other.key && placeOf(one) === placeOf(other);
}

/** @param {number} shown @param {number} all @param {string} hint how to get findings @returns {string} */
export function countLine(shown, all, hint) {
  if (all === 0) return hint;
  return `${shown} of ${all} findings` + (shown > DRAWN ? `, the first ${DRAWN} shown` : "");
}

/** @param {Finding} finding @returns {string[]} the cells of its row, but for the button */
export function cellsOf(finding) {
  const { severity, rule, symbol, message, value, limit } = finding;
  const over = value == null || limit == null ? "" : ` (${value}, limit ${limit})`;
  return [`${severity === "critical" ? "✕" : "!"} ${severity}`, rule, placeOf(finding), symbol, message + over];
}
