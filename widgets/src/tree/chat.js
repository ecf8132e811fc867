// Finds the messages of a chat in a state, in the forms that providers and frameworks store them.
//
// Known: OpenAI's chat messages and Responses items, Anthropic's blocks, Gemini's contents, LangChain's message
// objects (as recorded, as dicts, as serialised), and (role, text) tuples.
import { isObject, pointerOf, tagOf } from "./model.js";

/** @typedef {"text" | "thinking" | "call" | "result" | "failed result" | "other"} PartKind */
/** One thing that a message says: `name` of the tool called or answering, `id` that ties a result to its call. @typedef {{kind: PartKind, text: string, name: string, id: string}} Part */
/** @typedef {{role: string, name: string, parts: Part[]}} Message */
/** @typedef {{path: string, messages: Message[]}} Chat */

/** Roles by the words that are stored for them. @type {Record<string, string>} */
const ROLES = {
  system: "system",
  developer: "system",
  user: "user",
  human: "user",
  assistant: "assistant",
  ai: "assistant",
  model: "assistant",
  tool: "tool",
  function: "tool",
};
/** Values of a state that are looked into; beyond it a state is no chat that anyone reads. */
const MOST_VALUES = 20_000;

/** @param {unknown} state @returns {Chat[]} every list of messages in it, the longest first */
export function chatsIn(state) {
  /** @type {Chat[]} */
  const found = [];
  /** @type {[unknown, string][]} */
  const waiting = [[state, ""]];
  for (const [value, path] of waiting) {
    if (waiting.length > MOST_VALUES) break;
    const messages = Array.isArray(value) && value.length > 0 ? allMessages(value) : null;
    if (messages) found.push({ path, messages });
    else waiting.push(...childrenOf(value, path));
  }
  return found.sort((one, other) => other.messages.length - one.messages.length);
}

/** @param {unknown} value @param {string} path @returns {[unknown, string][]} */
function childrenOf(value, path) {
  if (!Array.isArray(value) && !isObject(value)) return [];
  return Object.entries(value).flatMap(([key, child]) =>
    typeof child === "object" && child !== null ? [[child, path + pointerOf([key])]] : [],
  );
}

/** @param {unknown[]} items @returns {Message[] | null} null when one of them is no message */
function allMessages(items) {
  /** @type {Message[]} */
  const messages = [];
  for (const item of items) {
    const message = messageOf(item);
    if (message === null) return null;
    messages.push(message);
  }
  return messages;
}

/** @param {unknown} stored @returns {Message | null} null when it is no message */
export function messageOf(stored) {
  const fields = fieldsOf(stored);
  if (fields === null) return null;
  return responsesItem(fields) ?? chatMessage(fields);
}

/** @param {unknown} stored @returns {Record<string, unknown> | null} the message's own fields, out of their wrapping */
function fieldsOf(stored) {
  if (!isObject(stored)) return null;
  const tag = tagOf(stored);
  if (tag === "tuple" && Array.isArray(stored.v) && stored.v.length === 2) {
    return { role: stored.v[0], content: stored.v[1] };
  }
  if (tag !== null) return isObject(stored.v) ? stored.v : null;
  if (isObject(stored.data) && typeof stored.type === "string") return { type: stored.type, ...stored.data };
  if (stored.lc !== undefined && isObject(stored.kwargs)) return { type: classRole(stored.id), ...stored.kwargs };
  return stored;
}

/** @param {unknown} id path of a LangChain class @returns {string} */
function classRole(id) {
  const name = Array.isArray(id) ? String(id.at(-1)) : "";
  return name.replace(/Message(Chunk)?$/, "").toLowerCase();
}

/** @param {Record<string, unknown>} fields @returns {Message | null} */
function chatMessage(fields) {
  const word = String(fields.role ?? fields.type ?? "").replace(/MessageChunk$/, "").toLowerCase();
  const role = Object.hasOwn(ROLES, word) ? ROLES[word] : undefined;
  const said = fields.content ?? fields.parts;
  const isSaid = Object.hasOwn(fields, "content") || Array.isArray(fields.parts);
  if (role === undefined || !isSaid || !isContent(said)) return null;
  const parts = [...thinkingOf(fields), ...partsOf(said, fields, role), ...callsOf(fields)];
  return { role, name: words(fields.name), parts: withoutTwins(parts) };
}

/** @param {unknown} said */
function isContent(said) {
  return said === null || said === undefined || typeof said === "string" || Array.isArray(said);
}

/** One item of OpenAI's Responses. @param {Record<string, unknown>} item @returns {Message | null} */
function responsesItem(item) {
  const id = words(item.call_id);
  if (item.type === "function_call") {
    return { role: "assistant", name: "", parts: [part("call", textOf(item.arguments), words(item.name), id)] };
  }
  if (item.type === "function_call_output") {
    return { role: "tool", name: "", parts: [part("result", textOf(item.output), "", id)] };
  }
  if (item.type === "reasoning" && Array.isArray(item.summary)) {
    return { role: "assistant", name: "", parts: item.summary.map((one) => part("thinking", textOf(isObject(one) ? one.text : one))) };
  }
  return null;
}

/** @param {Record<string, unknown>} fields @returns {Part[]} */
function thinkingOf(fields) {
  const thought = fields.reasoning_content ?? fields.reasoning;
  return typeof thought === "string" && thought !== "" ? [part("thinking", thought)] : [];
}

/** @param {unknown} said @param {Record<string, unknown>} fields @param {string} role @returns {Part[]} */
function partsOf(said, fields, role) {
  if (role === "tool") {
    const kind = fields.status === "error" ? "failed result" : "result";
    return [part(kind, joined(said), words(fields.name), words(fields.tool_call_id))];
  }
  if (typeof said === "string") return said === "" ? [] : [part("text", said)];
  const refusal = typeof fields.refusal === "string" ? [part("text", fields.refusal)] : [];
  return [...(Array.isArray(said) ? said.map(blockOf) : []), ...refusal];
}

/** One block of a message's content. @param {unknown} block @returns {Part} */
function blockOf(block) {
  if (typeof block === "string") return part("text", block);
  const fields = isObject(block) ? (tagOf(block) !== null && isObject(block.v) ? block.v : block) : null;
  if (fields === null) return part("other", textOf(block));
  if (typeof fields.text === "string") return part("text", fields.text);
  if (typeof fields.thinking === "string") return part("thinking", fields.thinking);
  if (fields.type === "tool_use") return part("call", textOf(fields.input), words(fields.name), words(fields.id));
  if (fields.type === "tool_result") {
    return part(fields.is_error === true ? "failed result" : "result", joined(fields.content), "", words(fields.tool_use_id));
  }
  const call = fields.functionCall ?? fields.function_call;
  if (isObject(call)) return part("call", textOf(call.args), words(call.name));
  const result = fields.functionResponse ?? fields.function_response;
  if (isObject(result)) return part("result", textOf(result.response), words(result.name));
  return part("other", textOf(fields));
}

/** Calls that stand beside the content. @param {Record<string, unknown>} fields @returns {Part[]} */
function callsOf(fields) {
  const more = isObject(fields.additional_kwargs) ? fields.additional_kwargs : {};
  const known = Array.isArray(fields.tool_calls) && fields.tool_calls.length > 0 ? fields.tool_calls : more.tool_calls;
  const calls = [...(Array.isArray(known) ? known : []), ...(isObject(fields.function_call) ? [fields.function_call] : [])];
  return calls.map((call) => {
    const own = isObject(call) ? (tagOf(call) !== null && isObject(call.v) ? call.v : call) : {};
    const inner = isObject(own.function) ? own.function : own;
    const called = tagOf(inner) !== null && isObject(inner.v) ? inner.v : inner;
    return part("call", textOf(called.args ?? called.arguments), words(called.name), words(own.id));
  });
}

/** LangChain keeps Anthropic's calls twice, as block and as call. @param {Part[]} parts */
function withoutTwins(parts) {
  const seen = new Set();
  return parts.filter(({ kind, id }) => {
    if (kind !== "call" || id === "") return true;
    const isTwin = seen.has(id);
    seen.add(id);
    return !isTwin;
  });
}

/** @param {PartKind} kind @param {string} text @param {string} [name] @param {string} [id] @returns {Part} */
function part(kind, text, name = "", id = "") {
  return { kind, text, name, id };
}

/** @param {unknown} value */
function words(value) {
  return typeof value === "string" ? value : "";
}

/** @param {unknown} value text as it is, anything else as JSON */
function textOf(value) {
  if (typeof value === "string") return value;
  return value === undefined || value === null ? "" : JSON.stringify(value, null, 2);
}

/** The text of a tool's answer. @param {unknown} said */
function joined(said) {
  return Array.isArray(said) ? said.map((block) => blockOf(block).text).join("\n") : textOf(said);
}

/**
 * The name of the tool that each result answers for, from the calls before it.
 * @param {Message[]} messages
 * @returns {Map<string, string>} by id of the call
 */
export function toolNames(messages) {
  const calls = messages.flatMap(({ parts }) => parts.filter(({ kind, id }) => kind === "call" && id !== ""));
  return new Map(calls.map(({ id, name }) => [id, name]));
}

/**
 * How many messages at the end of a list a step added: those after what both lists share.
 * @param {Message[]} before @param {Message[]} after
 */
export function addedCount(before, after) {
  const shared = before.findIndex((message, i) => JSON.stringify(message) !== JSON.stringify(after[i]));
  return after.length - (shared < 0 ? Math.min(before.length, after.length) : shared);
}
