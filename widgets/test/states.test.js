import assert from "node:assert/strict";
import { test } from "node:test";
import { inWords, reference } from "../src/tree/comparison.js";
import { States, nearby } from "../src/tree/states.js";
import { previousWriter } from "../src/tree/writers.js";

const state = (/** @type {string} */ text) => ({ text, patch: [], title: "" });

/** States whose requests are kept, as "frame side session". */
function asking() {
  /** @type {string[]} */
  const asked = [];
  const states = new States(({ frame, side, session }) => asked.push(`${frame} ${side} ${session}`.trim()));
  return { states, asked };
}

test("a state is asked for once, and no more than two are on their way", () => {
  const { states, asked } = asking();
  for (const frame of [1, 1, 2, 3]) assert.equal(states.look(frame, "input"), null);
  assert.deepEqual(asked, ["1 input", "2 input"]);
  states.take({ frame: 1, side: "input", session: "" }, state("{}"));
  states.look(3, "input");
  assert.deepEqual(asked, ["1 input", "2 input", "3 input"]);
});

test("the state of another session is another state", () => {
  const { states, asked } = asking();
  states.take({ frame: 1, side: "output", session: "" }, state("mine"));
  assert.equal(states.look(1, "output", "base"), null);
  assert.deepEqual(asked, ["1 output base"]);
});

test("a reason is kept until the frame is forgotten", () => {
  const { states, asked } = asking();
  states.fail({ frame: 1, side: "output", session: "" }, "it failed");
  assert.equal(states.look(1, "output"), "it failed");
  assert.deepEqual(asked, []);
  states.forget(1);
  assert.equal(states.look(1, "output"), null);
  assert.deepEqual(asked, ["1 output"]);
});

test("forgetting frame 1 keeps frame 11", () => {
  const { states } = asking();
  for (const frame of [1, 11]) states.take({ frame, side: "input", session: "" }, state("{}"));
  states.forget(1);
  assert.equal(states.input(1), undefined);
  assert.equal(states.input(11)?.text, "{}");
});

test("the next frame in the user's direction is fetched first, one at a time", () => {
  assert.deepEqual(nearby(5, -1, ["input"]).map(({ frame }) => frame), [5, 4, 6, 3, 7, 2, 8]);
  assert.deepEqual(nearby(0, 1, ["input"]).map(({ frame }) => frame), [0, 1, 2, 3]);
  const { states, asked } = asking();
  states.take({ frame: 5, side: "input", session: "" }, state("{}"));
  states.fetchAhead(5, -1, ["input", "output"]);
  states.fetchAhead(5, -1, ["input", "output"]);
  assert.deepEqual(asked, ["4 input"]);
});

test("the edit that waits is seen with its state, and nowhere else", () => {
  const { states } = asking();
  states.take({ frame: 2, side: "input", session: "" }, state("{}"));
  states.edited(2, [{ op: "remove", path: "/a" }]);
  states.edited(3, [{ op: "remove", path: "/a" }]);
  assert.deepEqual(states.input(2)?.patch, [{ op: "remove", path: "/a" }]);
  assert.equal(states.input(3), undefined);
});

test("a comparison says what differs from what", () => {
  const choice = (/** @type {any} */ kind, frame = 0, session = "") => ({ kind, frame, session });
  assert.equal(inWords(choice("own"), 7, "output"), "What frame 7 changed: the state before it (−) and after it (+).");
  assert.equal(inWords(choice("previous"), 7, "output"), "The state after frame 6 (−) and after frame 7 (+).");
  assert.equal(inWords(choice("frame", 2), 7, "input"), "The state before frame 2 (−) and before frame 7 (+).");
  assert.match(inWords(choice("session", 0, "base"), 7, "output"), /the frame of the same key in base/);
  assert.deepEqual(reference(choice("own"), 7, "output"), { frame: 7, side: "input", session: "" });
  assert.deepEqual(reference(choice("session", 2, "base"), 7, "output"), { frame: 7, side: "output", session: "base" });
});

test("the previous writer is the last before the frame, not the frame itself", () => {
  const writers = [0, 4, 6].map((frame) => ({ frame, key: "", op: "", side: /** @type {const} */ ("output") }));
  assert.deepEqual([7, 6, 4, 0].map((frame) => previousWriter(writers, frame)), [6, 4, 0, null]);
});
