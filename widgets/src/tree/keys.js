// The keys of the state tree.

/** @type {import("../shared/help.js").KeyHelp[]} */
export const KEYS = [
  ["e", "edit: the state before the step, in the editor"],
  ["c", "the messages as a chat"],
  ["d", "what changed (diff)"],
  ["w", "go to the frame that wrote the selected value before"],
  ["/", "search in the state (Ctrl+F in the editor)"],
  ["Ctrl+Z", "undo the last edit"],
  ["Enter", "edit the selected value"],
  ["?", "this help"],
];
/** @type {Record<string, string>} */
export const COMMANDS = { e: "edit", c: "chat", d: "changes", w: "writer", "/": "search", "?": "help" };
