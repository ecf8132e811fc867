import assert from "node:assert/strict";
import { test } from "node:test";
import { GONE, save, tell } from "../src/shared/kernel.js";

const dead = /** @type {any} */ ({
  send() {
    throw new Error("Cannot send");
  },
  save_changes() {
    throw new Error("Cannot send");
  },
});

test("a kernel that is gone is told to the user, not to the console", () => {
  /** @type {string[]} */
  const told = [];
  tell(dead, { kind: "hello" }, (words) => told.push(words));
  save(dead, (words) => told.push(words));
  assert.deepEqual(told, [GONE, GONE]);
});
