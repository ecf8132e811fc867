import assert from "node:assert/strict";
import { test } from "node:test";
import { StateCache } from "../src/tree/cache.js";
import {
  changesBetween,
  keysOf,
  openAtFirst,
  patched,
  plainOperations,
  pointerOf,
  preview,
  same,
  selectedPath,
  tagOf,
  valueAt,
} from "../src/tree/model.js";

const state = (/** @type {string} */ text) => ({ text, patch: [], title: "" });
const lines = (/** @type {unknown} */ before, /** @type {unknown} */ after) =>
  changesBetween(before, after).map(({ kind, path }) => `${kind} ${path}`);

test("the states used last stay, and the cache keeps to its limit", () => {
  const cache = new StateCache(10);
  cache.put("0", state("aaaa"));
  cache.put("1", state("bbbb"));
  cache.get("0");
  cache.put("2", state("cccc"));
  assert.deepEqual(["0", "1", "2"].map((key) => cache.has(key)), [true, false, true]);
});

test("a state larger than the whole cache is kept while it is the newest", () => {
  const cache = new StateCache(3);
  cache.put("0", state("aaaaaaaa"));
  assert.equal(cache.get("0")?.text, "aaaaaaaa");
  cache.put("1", state("b"));
  assert.equal(cache.has("0"), false);
});

test("a dropped state frees its place", () => {
  const cache = new StateCache(4);
  cache.put("0", state("aaaa"));
  cache.drop("0");
  cache.put("1", state("bb"));
  cache.put("2", state("cc"));
  assert.equal(cache.has("1"), true);
});

test("keys with slashes and tildes survive a JSON Pointer", () => {
  assert.equal(pointerOf(["a/b", "c~d", 0, ""]), "/a~1b/c~0d/0/");
  assert.deepEqual(keysOf("/a~1b/c~0d/0/"), ["a/b", "c~d", "0", ""]);
  assert.deepEqual(keysOf(""), []);
});

test("a pointer finds own keys only", () => {
  const tree = { a: [{ b: 1 }] };
  assert.equal(valueAt(tree, "/a/0/b"), 1);
  assert.equal(valueAt(tree, "/constructor"), undefined);
  assert.equal(valueAt(tree, "/a/0/b/c"), undefined);
});

test("a new message in front of a list is one change", () => {
  assert.deepEqual(lines({ m: [1, 2, 3] }, { m: [0, 1, 2, 3] }), ["added /m/0"]);
  assert.deepEqual(lines({ m: [1, 2, 3] }, { m: [1, 3] }), ["removed /m/1"]);
});

test("a change inside a list item names the deep path", () => {
  assert.deepEqual(lines({ m: [{ a: 1, b: 2 }] }, { m: [{ a: 1, b: 3 }] }), ["changed /m/0/b"]);
});

test("keys that came and went are told apart from values that changed", () => {
  assert.deepEqual(lines({ a: 1, b: 2, c: [1] }, { a: 1, b: 3, d: null }), ["changed /b", "removed /c", "added /d"]);
});

test("a typed value is compared as a whole", () => {
  const at = (/** @type {string} */ v) => ({ when: { $t: "datetime", v } });
  assert.deepEqual(lines(at("2026-01-01"), at("2026-01-02")), ["changed /when"]);
});

test("equal states have no changes, whatever the order of their keys", () => {
  assert.deepEqual(lines({ a: 1, b: { c: 2, d: 3 } }, { b: { d: 3, c: 2 }, a: 1 }), []);
});

test("values of different types are different", () => {
  const pairs = [
    [1, "1"],
    [0, false],
    [null, undefined],
    [[], {}],
    [{ a: undefined }, { b: undefined }],
  ];
  assert.deepEqual(pairs.map(([one, other]) => same(one, other)), [false, false, false, false, false]);
});

test("only a string under $t makes a typed value", () => {
  assert.deepEqual([{ $t: "set", v: [] }, { $t: 3 }, [], null, "x"].map(tagOf), ["set", null, null, null, null]);
});

test("a preview says how much it leaves out", () => {
  assert.equal(preview("x".repeat(2000), 10), '"xxxxxxxxx… (2,002 characters)');
  assert.equal(preview(undefined), "nothing");
});

test("the moves that only keep the order of keys are no part of an edit", () => {
  const inserted = [
    { op: "move", from: "/ok", path: "/fine" },
    { op: "move", from: "/list", path: "/list" },
    { op: "add", path: "/new", value: 1 },
  ];
  assert.deepEqual(plainOperations(inserted), [inserted[0], inserted[2]]);
  assert.deepEqual(plainOperations([{ op: "move", from: "/a", path: "/a" }]), []);
});

test("operations leave without what is not theirs", () => {
  const operations = [{ op: "move", path: "/b", from: "/a", extra: 1 }, { op: "replace", path: "/c", value: null }];
  assert.deepEqual(plainOperations(operations), [
    { op: "move", path: "/b", from: "/a" },
    { op: "replace", path: "/c", value: null },
  ]);
});

test("an edit is seen in the state and leaves the recorded one as it is", () => {
  const recorded = { plan: "x", steps: [1, 2] };
  const operations = [
    { op: "replace", path: "/plan", value: "y" },
    { op: "add", path: "/steps/-", value: 3 },
  ];
  assert.deepEqual(patched(recorded, operations), { plan: "y", steps: [1, 2, 3] });
  assert.deepEqual(recorded, { plan: "x", steps: [1, 2] });
});

test("the path of a selection is where it began", () => {
  const selections = [undefined, {}, { path: ["a", 0] }, { anchorPath: ["b/c"], focusPath: ["d"] }];
  assert.deepEqual(selections.map(selectedPath), ["", "", "/a/0", "/b~1c"]);
});

test("small values of the state are open at first, those that would fill the page are not", () => {
  const tree = { few: [1, 2], none: [], many: Array(61).fill(0), long: ["x".repeat(30_000)], deep: { er: {} }, word: "x" };
  assert.deepEqual(openAtFirst(tree), ["/few", "/deep"]);
  assert.deepEqual(openAtFirst([1, 2]), []);
});

test("a state of many small values opens as many as sixty rows hold", () => {
  const tree = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`key ${i}`, [1, 2, 3, 4, 5, 6, 7, 8, 9]]));
  assert.deepEqual(openAtFirst(tree), ["/key 0", "/key 1", "/key 2", "/key 3"]);
});
