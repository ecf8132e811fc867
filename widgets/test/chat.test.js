import assert from "node:assert/strict";
import { test } from "node:test";
import { addedCount, chatsIn, messageOf, toolNames } from "../src/tree/chat.js";

const tagged = (/** @type {string} */ type, /** @type {object} */ v) => ({ $t: "pydantic", type, v });
/** Role, then kind, text, tool and id of each part, in one line. */
const read = (/** @type {unknown} */ stored) => {
  const message = messageOf(stored);
  return message && [message.role, ...message.parts.map((part) => Object.values(part).filter(Boolean).join(" | "))];
};

test("OpenAI's messages: text, calls, answers, refusals", () => {
  assert.deepEqual(read({ role: "developer", content: "be brief" }), ["system", "text | be brief"]);
  const call = { id: "c1", type: "function", function: { name: "add", arguments: '{"a":1}' } };
  assert.deepEqual(read({ role: "assistant", content: null, tool_calls: [call] }), ["assistant", 'call | {"a":1} | add | c1']);
  assert.deepEqual(read({ role: "tool", tool_call_id: "c1", content: "2" }), ["tool", "result | 2 | c1"]);
  const parts = [{ type: "text", text: "look" }, { type: "image_url", image_url: { url: "u" } }];
  assert.deepEqual(read({ role: "user", content: parts })?.slice(0, 2), ["user", "text | look"]);
  assert.deepEqual(read({ role: "assistant", content: null, refusal: "no" }), ["assistant", "text | no"]);
  assert.deepEqual(read({ role: "assistant", content: [], refusal: "no" }), ["assistant", "text | no"]);
});

test("OpenAI's Responses items", () => {
  assert.deepEqual(read({ type: "function_call", name: "add", arguments: "{}", call_id: "c1" }), ["assistant", "call | {} | add | c1"]);
  assert.deepEqual(read({ type: "function_call_output", call_id: "c1", output: "2" }), ["tool", "result | 2 | c1"]);
  const said = { type: "message", role: "assistant", content: [{ type: "output_text", text: "done" }] };
  assert.deepEqual(read(said), ["assistant", "text | done"]);
  assert.deepEqual(read({ type: "reasoning", summary: [{ type: "summary_text", text: "hm" }] }), ["assistant", "thinking | hm"]);
});

test("Anthropic's blocks", () => {
  const content = [
    { type: "thinking", thinking: "hm" },
    { type: "text", text: "I add." },
    { type: "tool_use", id: "t1", name: "add", input: { a: 1 } },
  ];
  assert.deepEqual(read({ role: "assistant", content }), ["assistant", "thinking | hm", "text | I add.", 'call | {\n  "a": 1\n} | add | t1']);
  const failed = { type: "tool_result", tool_use_id: "t1", is_error: true, content: [{ type: "text", text: "too large" }] };
  assert.deepEqual(read({ role: "user", content: [failed] }), ["user", "failed result | too large | t1"]);
});

test("Gemini's contents", () => {
  const parts = [{ text: "hi" }, { functionCall: { name: "add", args: {} } }];
  assert.deepEqual(read({ role: "model", parts }), ["assistant", "text | hi", "call | {} | add"]);
});

test("LangChain's messages as recorded, as dicts and as serialised", () => {
  const fields = { content: "hi", additional_kwargs: {}, type: "human", name: null };
  assert.deepEqual(read(tagged("langchain_core.messages.human.HumanMessage", fields)), ["user", "text | hi"]);
  assert.deepEqual(read({ type: "human", data: { content: "hi" } }), ["user", "text | hi"]);
  const id = ["langchain", "schema", "messages", "AIMessage"];
  assert.deepEqual(read({ lc: 1, type: "constructor", id, kwargs: { content: "yes" } }), ["assistant", "text | yes"]);
  const answer = { type: "tool", content: "boom", tool_call_id: "c1", name: "add", status: "error" };
  assert.deepEqual(read(tagged("langchain_core.messages.tool.ToolMessage", answer)), ["tool", "failed result | boom | add | c1"]);
});

test("a call that stands as a block and beside the content is one call", () => {
  const content = [{ type: "tool_use", id: "c1", name: "add", input: {} }];
  const ai = { type: "ai", content, tool_calls: [{ name: "add", args: {}, id: "c1" }] };
  assert.deepEqual(read(tagged("AIMessage", ai)), ["assistant", "call | {} | add | c1"]);
});

test("a pair of role and text is a message", () => {
  assert.deepEqual(read({ $t: "tuple", v: ["user", "hi"] }), ["user", "text | hi"]);
});

test("what only looks like a message is none", () => {
  const strangers = [null, 3, "user", [], {}, { role: "user" }, { role: "pilot", content: "x" }, { content: "x" }, { role: "user", content: 3 }];
  assert.deepEqual(strangers.map(messageOf), strangers.map(() => null));
  assert.equal(messageOf({ role: "constructor", content: "x" }), null);
});

test("every list of messages in a state is found, the longest first", () => {
  const message = { role: "user", content: "x" };
  const state = { short: [message], deep: { er: [message, message] }, mixed: [message, 3], none: [] };
  assert.deepEqual(chatsIn(state).map(({ path }) => path), ["/deep/er", "/short"]);
  assert.deepEqual(chatsIn(undefined), []);
});

test("a result is named after the call it answers", () => {
  const chat = chatsIn([
    { role: "assistant", content: null, tool_calls: [{ id: "c1", function: { name: "add", arguments: "" } }] },
    { role: "tool", tool_call_id: "c1", content: "2" },
  ])[0];
  assert.deepEqual([...toolNames(chat?.messages ?? [])], [["c1", "add"]]);
});

test("the messages that a step added are those after what both lists share", () => {
  const said = (/** @type {string[]} */ ...texts) => chatsIn([texts.map((content) => ({ role: "user", content }))])[0]?.messages ?? [];
  assert.equal(addedCount(said("a", "b"), said("a", "b", "c")), 1);
  assert.equal(addedCount(said("a", "b"), said("a", "B", "c")), 2);
  assert.equal(addedCount([], said("a")), 1);
  assert.equal(addedCount(said("a", "b"), said("a")), 0);
});
