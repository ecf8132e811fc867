import assert from "node:assert/strict";
import { test } from "node:test";
import { Waiting, obstacle, progressLine, tooltip } from "../src/actions/model.js";

const resume = { name: "resume", label: "Resume from here", key: "r", hint: "Run it again", reason: "" };

test("a button that works tells what it does and its key, another one why it does not", () => {
  assert.equal(tooltip(resume), "Run it again (r)");
  assert.equal(tooltip({ ...resume, key: "" }), "Run it again");
  assert.equal(tooltip({ ...resume, reason: "its line is damaged" }), "its line is damaged");
});

test("what keeps the first button from working is said below the buttons", () => {
  assert.equal(obstacle([resume]), "");
  assert.equal(obstacle([{ ...resume, reason: "no agent" }]), "Resume from here: no agent");
  assert.equal(obstacle([]), "");
});

test("the progress tells steps, the last one and seconds", () => {
  const progress = { name: "resume", label: "Resume from here", served: 1, executed: 3, step: "build", cancellable: true };
  assert.equal(progressLine(progress, 2.04), "Resume from here · 1 step served · 3 executed · last: build · 2.0 s");
  assert.match(progressLine({ ...progress, cancelling: true }, 2), /a call that blocks ends first$/);
  assert.equal(progressLine({ name: "fork", label: "Fork" }, 0), "Fork · 0.0 s");
});

test("a message is open until it or a later one is heard", () => {
  const waiting = new Waiting();
  const [first, second] = [waiting.send(), waiting.send()];
  waiting.heard(first);
  assert.equal(waiting.isOpen, true);
  waiting.heard(second);
  assert.equal(waiting.isOpen, false);
});
