import assert from "node:assert/strict";
import { test } from "node:test";
import {
  FrameStore,
  KEY_HELP,
  TREE_COMMANDS,
  actionOf,
  cellsByCount,
  cellsByTime,
  clamp,
  closeUp,
  describe,
  duration,
  frameAt,
  isTimed,
  laneCount,
  nextError,
  overview,
} from "../src/scrubber/model.js";

/** @typedef {import("../src/shared/types.js").Row} Row */

/** @param {Partial<{type: number, status: number, provenance: number, depth: number, start: number | null, ms: number | null}>} [is] @returns {Row} */
const row = ({ type = 0, status = 0, provenance = 0, depth = 0, start = null, ms = null } = {}) => [
  type,
  status,
  provenance,
  depth,
  start,
  ms,
];

test("a batch that overlaps what is known adds only what is new", () => {
  const store = new FrameStore();
  assert.equal(store.append(0, [row({ type: 0 }), row({ type: 1 })]), true);
  assert.equal(store.append(1, [row({ type: 4 }), row({ type: 2 })]), true);
  assert.deepEqual(store.rows.map(([type]) => type), [0, 1, 2]);
});

test("a batch after a gap is refused, so that the view asks for the gap", () => {
  const store = new FrameStore();
  assert.equal(store.append(3, [row()]), false);
  assert.equal(store.count, 0);
});

test("a batch that is known in whole changes nothing", () => {
  const store = new FrameStore();
  store.append(0, [row(), row(), row()]);
  assert.equal(store.append(0, [row({ type: 3 })]), true);
  assert.equal(store.count, 3);
});

test("a frame that ended replaces what was known of it, and its words are asked for again", () => {
  const store = new FrameStore();
  store.append(0, [row({ status: 2 })]);
  store.describe([{ number: 0, key: "plan#1", name: "plan", error: null }]);
  store.change([[0, row({ status: 1 })], [7, row()]]);
  assert.equal(store.rows[0]?.[1], 1);
  assert.equal(store.count, 1);
  assert.equal(store.details.has(0), false);
});

test("a target outside the run becomes its nearest frame", () => {
  assert.deepEqual([clamp(-5, 10), clamp(10, 10), clamp(4.4, 10), clamp(3, 0)], [0, 9, 4, 0]);
});

test("the next error is the first after the selected frame, then the first of the run", () => {
  const rows = [row(), row({ status: 1 }), row(), row({ status: 1 })];
  assert.deepEqual([nextError(rows, 0), nextError(rows, 1), nextError(rows, 3), nextError([row()], 0)], [1, 3, 1, null]);
});

test("a run that fits is shown whole, a longer one as a window that stays inside it", () => {
  assert.deepEqual(closeUp(3, 10, 900), { first: 0, stop: 10 });
  assert.deepEqual(closeUp(5000, 10_000, 900), { first: 4950, stop: 5050 });
  assert.deepEqual(closeUp(0, 10_000, 900), { first: 0, stop: 100 });
  assert.deepEqual(closeUp(9999, 10_000, 900), { first: 9900, stop: 10_000 });
});

test("cells by count are equally wide and a click on one finds its frame", () => {
  const cells = cellsByCount([row(), row({ depth: 1 }), row()], 20, 30);
  assert.deepEqual(cells.map(({ number, x, width, lane }) => [number, x, width, lane]), [
    [20, 0, 10, 0],
    [21, 10, 10, 1],
    [22, 20, 10, 0],
  ]);
  assert.equal(frameAt(cells, 15, null), 21);
  assert.equal(frameAt(cells, 500, null), 22);
  assert.equal(frameAt([], 5, null), null);
});

test("cells by time start and end in proportion", () => {
  const cells = cellsByTime([row({ start: 0, ms: 100 }), row({ start: 50, ms: 25 }), row({ start: 100, ms: 100 })], 0, 203);
  assert.deepEqual(cells.map(({ x, width }) => [x, width]), [
    [0, 100],
    [50, 25],
    [100, 100],
  ]);
});

test("a click on overlapping frames takes the one in the lane under the pointer", () => {
  const outer = { number: 0, x: 0, width: 100, lane: 0 };
  const inner = { number: 1, x: 20, width: 30, lane: 1 };
  assert.equal(frameAt([outer, inner], 30, 0), 0);
  assert.equal(frameAt([outer, inner], 30, 1), 1);
  assert.equal(frameAt([outer, inner], 30, null), 1);
});

test("frames without a start cannot be laid out by time", () => {
  assert.equal(isTimed([row({ start: 0 }), row({ start: null })]), false);
  assert.equal(isTimed([]), false);
});

test("nesting beyond the fifth lane shares the last", () => {
  assert.equal(laneCount([row({ depth: 0 }), row({ depth: 40 })]), 5);
  assert.equal(laneCount([]), 1);
});

test("the overview never hides a failed frame behind its neighbours", () => {
  const rows = Array.from({ length: 10_000 }, (_, i) => row({ status: i === 4321 ? 1 : 0 }));
  assert.ok(overview(rows, 100).includes(4321));
});

test("what was cancelled is seen in the overview, and is no error to go to", () => {
  const rows = Array.from({ length: 10_000 }, (_, i) => row({ status: i === 4321 ? 4 : 0 }));
  assert.ok(overview(rows, 100).includes(4321));
  assert.equal(nextError(rows, 0), null);
});

test("the label says number, name, what is unusual and how long", () => {
  const detail = { number: 7, key: "plan#1", name: "plan", error: null };
  assert.equal(describe(7, 10, row({ type: 2, provenance: 2, ms: 1234 }), detail), "frame 7 / 9 · plan · llm · ok · edited · 1.2 s");
  assert.equal(describe(7, 10, row({ status: 4 }), detail), "frame 7 / 9 · plan · node · cancelled");
  assert.equal(describe(0, 0, undefined, undefined), "no frames yet");
  assert.equal(describe(0, 1, row({ type: -1, ms: null }), undefined), "frame 0 / 0 · unknown type · ok");
});

test("durations are read in their usual unit", () => {
  assert.deepEqual([null, 0.2, 80, 2500, 125_000].map(duration), ["", "under 1 ms", "80 ms", "2.5 s", "2 min 5 s"]);
});

test("a key with a modifier is left to the page", () => {
  const plain = { ctrlKey: false, metaKey: false, altKey: false };
  assert.equal(actionOf({ ...plain, key: "ArrowLeft" }), "previous");
  assert.equal(actionOf({ ...plain, key: "z" }), null);
  assert.equal(actionOf({ ...plain, key: "ArrowLeft", ctrlKey: true }), null);
});

test("every key of the help does something, and the tree's keys are in it", () => {
  const plain = { ctrlKey: false, metaKey: false, altKey: false };
  /** @type {Record<string, string>} */
  const named = { "←": "ArrowLeft", "→": "ArrowRight", Space: " " };
  const actions = KEY_HELP.flatMap(([keys]) => keys.split(" ")).map((key) => actionOf({ ...plain, key: named[key] ?? key }));
  assert.equal(actions.includes(null), false);
  assert.deepEqual(TREE_COMMANDS.filter((command) => !actions.includes(command)), []);
});
