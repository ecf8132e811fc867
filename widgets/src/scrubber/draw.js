// Paints the strip: a cell a frame, its type as colour and letter, its status and provenance as shape.
import { CANCELLED, DAMAGED, EDITED, ERROR, MOCKED, OK, REPLAYED, RUNNING } from "../shared/types.js";
import { overview } from "./model.js";

/** @typedef {import("../shared/types.js").Row} Row */
/** @typedef {import("./model.js").Cell} Cell */

export const LANE = 20;
export const MARKS = 9;
export const OVERVIEW = 12;
const LETTERS = ["N", "T", "L", "E", "C"];

/** Colours that the page's theme decides. @typedef {{types: string[], unknown: string, letter: string, text: string, error: string, cancelled: string, edited: string, back: string}} Palette */

/** @param {HTMLElement} root @returns {Palette} */
export function palette(root) {
  const style = getComputedStyle(root);
  const read = (/** @type {string} */ name) => style.getPropertyValue(`--vcr-${name}`).trim();
  return {
    types: ["node", "tool", "llm", "error", "checkpoint"].map(read),
    unknown: read("unknown"),
    letter: read("letter"),
    text: read("text"),
    error: read("error"),
    cancelled: read("cancelled"),
    edited: read("edited"),
    back: read("back"),
  };
}

/**
 * Size a canvas for the screen's pixels. @param {HTMLCanvasElement} canvas @param {number} height CSS pixels
 * @returns {CanvasRenderingContext2D | null}
 */
export function prepare(canvas, height) {
  const ratio = globalThis.devicePixelRatio || 1;
  canvas.style.height = `${height}px`;
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context?.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

/** @param {CanvasRenderingContext2D} context @param {Row[]} rows @param {number} width @param {Palette} colours */
export function drawOverview(context, rows, width, colours) {
  for (const [x, number] of overview(rows, width).entries()) {
    const row = rows[number];
    if (!row) continue;
    context.fillStyle = colourOf(row, colours);
    // A failed frame is taller as well, so that it is found without its colour.
    const inset = row[1] === ERROR ? 0 : 3;
    context.fillRect(x, inset, 1, OVERVIEW - 2 * inset);
  }
}

/** @param {Row} row @param {Palette} colours */
function colourOf([type, status], colours) {
  if (status === ERROR) return colours.error;
  return status === CANCELLED ? colours.cancelled : (colours.types[type] ?? colours.unknown);
}

/** @param {CanvasRenderingContext2D} context @param {number} x @param {number} width @param {Palette} colours */
export function drawWindow(context, x, width, colours) {
  context.strokeStyle = colours.text;
  context.lineWidth = 1.5;
  context.strokeRect(x + 0.75, 0.75, Math.max(4, width) - 1.5, OVERVIEW - 1.5);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Cell[]} cells
 * @param {(number: number) => Row | undefined} rowOf
 * @param {number} selected
 * @param {Palette} colours
 */
export function drawCells(context, cells, rowOf, selected, colours) {
  for (const cell of cells) {
    const row = rowOf(cell.number);
    if (row) drawCell(context, cell, row, colours);
  }
  const chosen = cells.find((cell) => cell.number === selected);
  if (chosen) drawSelection(context, chosen, colours);
}

/** @param {CanvasRenderingContext2D} context @param {Cell} cell @param {Row} row @param {Palette} colours */
function drawCell(context, cell, row, colours) {
  const [type, status, provenance] = row;
  const [x, y, width, height] = [cell.x + 1, MARKS + cell.lane * LANE, Math.max(2, cell.width - 2), LANE - 3];
  context.fillStyle = context.strokeStyle = colourOf(row, colours);
  context.lineWidth = 1.5;
  const hollow = provenance === REPLAYED || status === RUNNING;
  context.setLineDash(status === RUNNING ? [3, 2] : []);
  if (hollow) context.strokeRect(x + 0.75, y + 0.75, Math.max(1, width - 1.5), height - 1.5);
  else context.fillRect(x, y, width, height);
  context.setLineDash([]);
  if (provenance === MOCKED) drawStripes(context, x, y, width, height, colours.back);
  if (width >= 13) {
    context.fillStyle = hollow ? colours.text : colours.letter;
    context.font = "600 10px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(LETTERS[type] ?? "?", x + width / 2, y + height / 2 + 0.5);
  }
  const middle = cell.x + cell.width / 2;
  const [left, right] = provenance === EDITED && status !== OK ? [middle - 5, middle + 5] : [middle, middle];
  if (status === ERROR || status === DAMAGED) drawCross(context, left, colours.error);
  if (status === CANCELLED) drawTriangle(context, left, colours.cancelled);
  if (provenance === EDITED) drawDiamond(context, right, colours.edited);
}

/** @param {CanvasRenderingContext2D} context @param {number} x @param {string} colour */
function drawCross(context, x, colour) {
  context.strokeStyle = colour;
  context.lineWidth = 2;
  context.beginPath();
  context.moveTo(x - 3, 1);
  context.lineTo(x + 3, 7);
  context.moveTo(x + 3, 1);
  context.lineTo(x - 3, 7);
  context.stroke();
}

/** @param {CanvasRenderingContext2D} context @param {number} x @param {string} colour */
function drawTriangle(context, x, colour) {
  context.fillStyle = colour;
  context.beginPath();
  context.moveTo(x - 4, 1);
  context.lineTo(x + 4, 1);
  context.lineTo(x, 7);
  context.fill();
}

/** @param {CanvasRenderingContext2D} context @param {number} x @param {string} colour */
function drawDiamond(context, x, colour) {
  context.fillStyle = colour;
  context.beginPath();
  context.moveTo(x, 0);
  context.lineTo(x + 4, 4);
  context.lineTo(x, 8);
  context.lineTo(x - 4, 4);
  context.fill();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} x @param {number} y @param {number} width @param {number} height
 * @param {string} colour
 */
function drawStripes(context, x, y, width, height, colour) {
  context.fillStyle = colour;
  for (let at = y + 2; at < y + height; at += 4) context.fillRect(x, at, width, 1.5);
}

/** @param {CanvasRenderingContext2D} context @param {Cell} cell @param {Palette} colours */
function drawSelection(context, cell, colours) {
  const y = MARKS + cell.lane * LANE;
  context.strokeStyle = colours.back;
  context.lineWidth = 4;
  context.strokeRect(cell.x + 1, y, Math.max(2, cell.width - 2), LANE - 3);
  context.strokeStyle = colours.text;
  context.lineWidth = 2;
  context.strokeRect(cell.x + 1, y, Math.max(2, cell.width - 2), LANE - 3);
}
