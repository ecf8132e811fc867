// The shapes that cross the line to Python; agent_vcr_nb/notebook/{feed,scrubber,tree}.py is the other side.

/**
 * One frame as the strip needs it: type, status, provenance (index into TYPES, STATUSES, PROVENANCES; -1 for a word
 * this front end does not know), nesting depth, start in ms since the first frame, latency in ms (null: unknown).
 * @typedef {[number, number, number, number, number | null, number | null]} Row
 */

/**
 * What a person reads of a frame, asked for around the selected one only.
 * @typedef {{number: number, key: string, name: string, error: string | null}} Detail
 */

/**
 * One RFC 6902 operation.
 * @typedef {{op: string, path: string, value?: unknown, from?: string}} Operation
 */

/** @typedef {"input" | "output"} Side */

/** A model of anywidget, as far as it is used here. @typedef {import("@anywidget/types").AnyModel<any>} Model */

export const TYPES = ["node", "tool", "llm", "error", "checkpoint"];
export const STATUSES = ["ok", "error", "running", "damaged", "cancelled"];
/** What STATUSES say, by name. */
export const [OK, ERROR, RUNNING, DAMAGED, CANCELLED] = [0, 1, 2, 3, 4];
export const PROVENANCES = ["live", "replayed", "edited", "mocked"];
/** What PROVENANCES say, by name. */
export const [LIVE, REPLAYED, EDITED, MOCKED] = [0, 1, 2, 3];
