// Words to the kernel, which may be gone: after a restart the page still shows the widgets it had.

/** @typedef {import("./types.js").Model} Model */

export const GONE = "The kernel that held this run is gone: run the cell again.";

/**
 * @param {Model} model
 * @param {Record<string, unknown>} message
 * @param {(words: string) => void} complain called when no kernel is there to hear it
 */
export function tell(model, message, complain) {
  try {
    model.send(message);
  } catch {
    complain(GONE);
  }
}

/** Send changed traits. @param {Model} model @param {(words: string) => void} complain */
export function save(model, complain) {
  try {
    model.save_changes();
  } catch {
    complain(GONE);
  }
}
