import assert from "node:assert/strict";
import { test } from "node:test";
import { Selection, selectionOf } from "../src/shared/bus.js";

test("a listener hears each new frame once", () => {
  const selection = new Selection();
  /** @type {number[]} */
  const heard = [];
  const stop = selection.listen((frame) => heard.push(frame));
  for (const frame of [1, 1, 2]) selection.select(frame);
  stop();
  selection.select(3);
  assert.deepEqual(heard, [1, 2]);
});

test("a selection is led while a scrubber is there", () => {
  const selection = new Selection();
  const [leaveOne, leaveOther] = [selection.lead(), selection.lead()];
  leaveOne();
  assert.equal(selection.led, true);
  leaveOther();
  assert.equal(selection.led, false);
});

test("widgets of one group share a selection, widgets without a group do not", () => {
  assert.equal(selectionOf("one"), selectionOf("one"));
  assert.notEqual(selectionOf("one"), selectionOf("other"));
  assert.notEqual(selectionOf(""), selectionOf(""));
});

test("a command reaches the widgets of its group that listen", () => {
  const selection = new Selection();
  /** @type {string[]} */
  const done = [];
  const stop = selection.onCommand((name) => done.push(name));
  selection.command("resume");
  stop();
  selection.command("fork");
  assert.deepEqual(done, ["resume"]);
});
