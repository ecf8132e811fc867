import assert from "node:assert/strict";
import { test } from "node:test";
import { cellsOf, countLine, isSame, placeOf, shownOf } from "../src/findings/model.js";

/** @param {Partial<import("../src/findings/model.js").Finding>} changes */
const finding = (changes = {}) => ({
  rule: "too-complex", code: "C901", severity: "warning", message: "split it", path: "app.py", line: 3, cell: null,
  symbol: "main", key: "k", frame: null, value: null, limit: null, ...changes,
});
const all = { severity: "", text: "", sort: "severity", descending: false };
const [late, early] = [finding({ line: 10 }), finding({ line: 9 })];
const worst = finding({ severity: "critical", path: "z.py", rule: "secret", frame: 2 });

test("the critical come first, then by path and line as numbers", () => {
  assert.deepEqual(shownOf([late, early, worst], all), [worst, early, late]);
});

test("the order turns, and findings without a frame come last", () => {
  assert.deepEqual(shownOf([early, worst], { ...all, descending: true }), [early, worst]);
  assert.deepEqual(shownOf([early, worst], { ...all, sort: "frame" }), [worst, early]);
});

test("all words of the filter must occur, in any case", () => {
  assert.deepEqual(shownOf([early, worst], { ...all, text: "Z.PY  secret" }), [worst]);
  assert.deepEqual(shownOf([early, worst], { ...all, text: "secret app" }), []);
  assert.deepEqual(shownOf([early, worst], { ...all, severity: "warning" }), [early]);
});

test("a place names the cell of a notebook", () => {
  assert.equal(placeOf(finding({ path: "a.ipynb", cell: 2 })), "a.ipynb:cell 2:3");
});

test("two findings of one key at two places are two", () => {
  assert.equal(isSame(early, late), false);
  assert.equal(isSame(early, { ...early }), true);
  assert.equal(isSame(early, null), false);
});

test("a row tells the measured value beside its limit", () => {
  assert.deepEqual(cellsOf(finding({ value: 14, limit: 10 })), ["! warning", "too-complex", "app.py:3", "main", "split it (14, limit 10)"]);
});

test("where nothing is found the hint stands in place of the count", () => {
  assert.equal(countLine(0, 0, "Check a folder"), "Check a folder");
  assert.equal(countLine(400, 500, ""), "400 of 500 findings, the first 300 shown");
});
