// What the state tree knows and decides, without a page.
import { immutableJSONPatch } from "immutable-json-patch";

/** @typedef {import("../shared/types.js").Operation} Operation */

const PREVIEW_CHARACTERS = 160;
const TAG = "$t";

/** @param {string} pointer JSON Pointer @returns {string[]} its keys */
export function keysOf(pointer) {
  return pointer.split("/").slice(1).map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** @param {readonly (string | number)[]} keys @returns {string} JSON Pointer */
export function pointerOf(keys) {
  return keys.map((key) => `/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** @param {unknown} value @returns {value is Record<string, unknown>} */
export function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @param {unknown} tree @param {string} pointer @returns {unknown} what stands there, or undefined */
export function valueAt(tree, pointer) {
  /** @type {unknown} */
  let here = tree;
  for (const key of keysOf(pointer)) {
    if (Array.isArray(here)) here = here[Number(key)];
    else if (isObject(here) && Object.hasOwn(here, key)) here = here[key];
    else return undefined;
  }
  return here;
}

/** @param {unknown} value @returns {string | null} the Python type that a stored value stands for, or null for plain JSON */
export function tagOf(value) {
  return isObject(value) && typeof value[TAG] === "string" ? String(value[TAG]) : null;
}

/** @param {unknown} value @param {number} [limit] characters @returns {string} one line of it */
export function preview(value, limit = PREVIEW_CHARACTERS) {
  const text = value === undefined ? "nothing" : JSON.stringify(value);
  return text.length <= limit ? text : `${text.slice(0, limit)}… (${text.length.toLocaleString("en")} characters)`;
}

/** @typedef {{kind: "added" | "removed" | "changed", path: string, before: unknown, after: unknown}} Change */

/**
 * What differs between two states, by path. A list is compared after what its two versions share at both ends, so
 * that one new item in front is one change. A value with a type of its own is compared as a whole.
 * @param {unknown} before
 * @param {unknown} after
 * @returns {Change[]}
 */
export function changesBetween(before, after) {
  /** @type {Change[]} */
  const changes = [];
  compare(before, after, "", changes);
  return changes;
}

/** @param {unknown} before @param {unknown} after @param {string} path @param {Change[]} changes */
function compare(before, after, path, changes) {
  if (Array.isArray(before) && Array.isArray(after)) return compareLists(before, after, path, changes);
  if (isObject(before) && isObject(after) && tagOf(before) === null && tagOf(after) === null) {
    return compareObjects(before, after, path, changes);
  }
  if (!same(before, after)) changes.push({ kind: "changed", path, before, after });
}

/**
 * @param {Record<string, unknown>} before @param {Record<string, unknown>} after
 * @param {string} path @param {Change[]} changes
 */
function compareObjects(before, after, path, changes) {
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const here = path + pointerOf([key]);
    if (!Object.hasOwn(after, key)) changes.push({ kind: "removed", path: here, before: before[key], after: undefined });
    else if (!Object.hasOwn(before, key)) changes.push({ kind: "added", path: here, before: undefined, after: after[key] });
    else compare(before[key], after[key], here, changes);
  }
}

/** @param {unknown[]} before @param {unknown[]} after @param {string} path @param {Change[]} changes */
function compareLists(before, after, path, changes) {
  const shorter = Math.min(before.length, after.length);
  let head = 0;
  while (head < shorter && same(before[head], after[head])) head += 1;
  let tail = 0;
  while (tail < shorter - head && same(before[before.length - 1 - tail], after[after.length - 1 - tail])) tail += 1;
  const paired = shorter - head - tail;
  for (let i = head; i < head + paired; i += 1) compare(before[i], after[i], `${path}/${i}`, changes);
  for (let i = head + paired; i < before.length - tail; i += 1) {
    changes.push({ kind: "removed", path: `${path}/${i}`, before: before[i], after: undefined });
  }
  for (let i = head + paired; i < after.length - tail; i += 1) {
    changes.push({ kind: "added", path: `${path}/${i}`, before: undefined, after: after[i] });
  }
}

/** @param {unknown} one @param {unknown} other @returns {boolean} equal as JSON, whatever the order of keys */
export function same(one, other) {
  if (one === other) return true;
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((value, i) => same(value, other[i]));
  }
  if (!isObject(one) || !isObject(other)) return false;
  const keys = Object.keys(one);
  return (
    keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && same(one[key], other[key]))
  );
}

/**
 * The operations of one edit, without tests and in plain JSON.
 * @param {readonly Operation[]} operations
 * @returns {Operation[]}
 */
export function plainOperations(operations) {
  // The editor keeps the order of keys by moving each to where it is; a state has no order of keys.
  const kept = operations.filter(({ op, path, from }) => op !== "move" || path !== from);
  return kept.map(({ op, path, value, from }) => ({
    op,
    path,
    ...(value === undefined ? {} : { value }),
    ...(from === undefined ? {} : { from }),
  }));
}

/** @param {unknown} recorded @param {Operation[]} patch @returns {unknown} the state with the edit in it */
export function patched(recorded, patch) {
  return immutableJSONPatch(recorded, /** @type {import("immutable-json-patch").JSONPatchDocument} */ (patch));
}

/**
 * @param {{path?: (string | number)[], anchorPath?: (string | number)[]} | object | undefined} selection of the editor
 * @returns {string} JSON Pointer of what is selected; empty when nothing or the whole state is
 */
export function selectedPath(selection) {
  if (selection === undefined) return "";
  if ("path" in selection && Array.isArray(selection.path)) return pointerOf(selection.path);
  return "anchorPath" in selection && Array.isArray(selection.anchorPath) ? pointerOf(selection.anchorPath) : "";
}

/** Rows of the tree that are there at first, and characters of JSON in a value that is opened. */
const OPEN_ROWS = 60;
const OPEN_CHARACTERS = 20_000;

/**
 * The values of a state that are open at first: small ones, as long as all rows are few. Each row costs the page time
 * at every step, seen or not.
 * @param {unknown} tree
 * @returns {string[]} JSON Pointers
 */
export function openAtFirst(tree) {
  if (!isObject(tree)) return [];
  const keys = Object.keys(tree);
  const opened = [];
  let rows = keys.length;
  for (const key of keys) {
    const value = tree[key];
    const items = Array.isArray(value) ? value.length : isObject(value) ? Object.keys(value).length : 0;
    if (items === 0 || rows + items > OPEN_ROWS || JSON.stringify(value).length > OPEN_CHARACTERS) continue;
    opened.push(pointerOf([key]));
    rows += items;
  }
  return opened;
}
