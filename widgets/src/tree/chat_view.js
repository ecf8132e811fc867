// The messages of a state as a chat.
import { element } from "../shared/dom.js";
import { addedCount, chatsIn, toolNames } from "./chat.js";
import { foldedText } from "./folded.js";

/** @typedef {import("./chat.js").Message} Message */
/** @typedef {import("./chat.js").Part} Part */

/** Messages shown at first: the last ones, which the step is about. */
const SHOWN = 40;
const HINT = "A list counts as a chat when each of its items has a role (or type) and a content.";

/**
 * @param {unknown} before the state before the step, to tell what is new; undefined when it is not known
 * @param {unknown} state
 * @returns {HTMLElement}
 */
export function chatView(before, state) {
  const chats = chatsIn(state);
  if (chats.length === 0) return element("p", { class: "vcr-empty" }, `There are no messages in this state. ${HINT}`);
  const known = new Map(chatsIn(before).map(({ path, messages }) => [path, messages]));
  return element(
    "div",
    {},
    ...chats.map(({ path, messages }) => {
      const added = before === undefined ? 0 : addedCount(known.get(path) ?? [], messages);
      return chatList(path, messages, added);
    }),
  );
}

/** @param {string} path @param {Message[]} messages @param {number} added @returns {HTMLElement} */
function chatList(path, messages, added) {
  const names = toolNames(messages);
  const list = element("ol", { class: "vcr-messages", "aria-label": `Messages in ${path || "the state"}` });
  const firstNew = messages.length - added;
  const items = (/** @type {number} */ from, /** @type {number} */ stop) =>
    messages.slice(from, stop).map((message, i) => item(message, from + i, from + i >= firstNew, names));
  const first = Math.max(0, messages.length - SHOWN);
  list.append(...items(first, messages.length));
  const count = `${messages.length} ${messages.length === 1 ? "message" : "messages"}`;
  const head = element("div", { class: "vcr-bar vcr-chat-head" }, element("code", {}, path || "(the whole state)"), count);
  if (added > 0) head.append(element("span", { class: "vcr-new" }, `${added} new in this step`));
  if (first > 0) head.append(earlier(first, (from, stop) => list.prepend(...items(from, stop))));
  return element("div", { class: "vcr-chat-list" }, head, list);
}

/** @param {number} first @param {(from: number, stop: number) => void} show @returns {HTMLElement} */
function earlier(first, show) {
  let hidden = first;
  const words = () => `show ${Math.min(hidden, SHOWN)} of ${hidden} earlier messages`;
  const made = element("button", { type: "button", class: "vcr-button" }, words());
  made.addEventListener("click", () => {
    const from = Math.max(0, hidden - SHOWN);
    show(from, hidden);
    hidden = from;
    made.textContent = words();
    made.hidden = hidden === 0;
  });
  return made;
}

/** @param {Message} message @param {number} number @param {boolean} isNew @param {Map<string, string>} names */
function item({ role, name, parts }, number, isNew, names) {
  const head = element("div", { class: "vcr-role" }, element("strong", {}, role));
  if (name) head.append(` ${name}`);
  head.append(element("span", { class: "vcr-number" }, `#${number}`));
  if (isNew) head.append(element("span", { class: "vcr-new" }, "new"));
  const bodies = parts.map((part) => partView(part, names));
  if (bodies.length === 0) bodies.push(element("div", { class: "vcr-was" }, "(says nothing)"));
  return element("li", { class: `vcr-message vcr-role-${role}` }, head, ...bodies);
}

/** @param {Part} part @param {Map<string, string>} names @returns {HTMLElement} */
function partView({ kind, text, name, id }, names) {
  if (kind === "text") return foldedText(text);
  const label = { thinking: "thinking", call: "calls", result: "result of", "failed result": "failed result of", other: "content" }[kind];
  const tool = name || names.get(id) || (kind === "result" || kind === "failed result" ? "a tool" : "");
  const head = element("div", { class: "vcr-part-head" }, label, " ");
  if (tool) head.append(element("code", {}, tool));
  if (id) head.append(element("span", { class: "vcr-was" }, id));
  const look = kind === "thinking" ? "" : "vcr-mono";
  return element("div", { class: `vcr-part vcr-part-${kind.replace(" ", "-")}` }, head, foldedText(text, look));
}
