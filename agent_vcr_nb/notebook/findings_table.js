// The findings of Sentinel as a table: sort, filter, select, jump. Text enters the page by textContent only.
// Written by hand and shipped as it is: it needs no build.

/** @typedef {{rule: string, code: string, severity: string, message: string, path: string, line: number,
 *   cell: number | null, symbol: string, key: string, frame: number | null, value: number | null,
 *   limit: number | null}} Row */

/** Rows that are drawn; of more the user is asked to filter. */
const DRAWN = 300;
const RANK = { critical: 0, warning: 1 };
const COLUMNS = [
  ["severity", "Severity"],
  ["rule", "Rule"],
  ["place", "Place"],
  ["symbol", "In"],
  ["message", "What to do"],
  ["frame", "Written by"],
];

/** @param {Row} row */
export function placeOf(row) {
  return `${row.path}:${row.cell == null ? "" : `cell ${row.cell}:`}${row.line}`;
}

/** @param {Row} row @param {string} column @returns {(string | number)[]} what rows are compared by */
function orderOf(row, column) {
  const place = [row.path, row.cell ?? 0, row.line];
  switch (column) {
    case "severity":
      return [RANK[row.severity] ?? 2, ...place];
    case "place":
      return place;
    case "frame":
      return [row.frame ?? Infinity, ...place];
    default:
      return [String(row[column] ?? ""), ...place];
  }
}

/** @param {(string | number)[]} a @param {(string | number)[]} b */
function compared(a, b) {
  for (let n = 0; n < a.length; n += 1) {
    if (a[n] !== b[n]) return a[n] < b[n] ? -1 : 1;
  }
  return 0;
}

/** @param {Row[]} rows @param {string} severity "" for all @param {string} text words that all must occur
 *  @param {string} column @param {boolean} descending @returns {Row[]} what is on show, in order */
export function shownRows(rows, severity, text, column, descending) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const kept = rows.filter((row) => {
    const all = `${row.rule} ${row.code} ${row.message} ${placeOf(row)} ${row.symbol}`.toLowerCase();
    return (!severity || row.severity === severity) && words.every((word) => all.includes(word));
  });
  const sign = descending ? -1 : 1;
  return kept.sort((a, b) => sign * compared(orderOf(a, column), orderOf(b, column)));
}

/** @param {string} name @param {Record<string, string>} [attributes] @param {string} [text] */
function element(name, attributes = {}, text) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** @param {any} model @param {string} name @param {any} value */
function set(model, name, value) {
  model.set(name, value);
  model.save_changes();
}

/** @param {any} model @returns {Row[]} */
function shown(model) {
  const order = [model.get("sort"), model.get("descending")];
  return shownRows(model.get("findings"), model.get("severity"), model.get("text"), order[0], order[1]);
}

/** @param {any} model @param {Row} row */
function isSelected(model, row) {
  const chosen = model.get("selected");
  return chosen != null && chosen.key === row.key && placeOf(chosen) === placeOf(row);
}

/** @param {any} model @returns {HTMLElement} the row of headings; a click sorts, a second one turns the order */
function headRow(model) {
  const row = element("tr");
  const isDescending = model.get("descending");
  for (const [name, label] of COLUMNS) {
    const isSorted = name === model.get("sort");
    const order = isSorted ? (isDescending ? "descending" : "ascending") : "none";
    const mark = isSorted ? (isDescending ? " ▼" : " ▲") : "";
    const cell = element("th", { scope: "col", "aria-sort": order });
    const button = element("button", { type: "button", "data-sort": name }, label + mark);
    button.addEventListener("click", () => {
      model.set("descending", isSorted && !isDescending);
      set(model, "sort", name);
    });
    cell.append(button);
    row.append(cell);
  }
  return row;
}

/** @param {any} model @param {Row} row @returns {HTMLElement} */
function bodyRow(model, row) {
  const made = element("tr", { tabindex: "0", "data-severity": row.severity });
  made.setAttribute("aria-selected", String(isSelected(model, row)));
  const over = row.value == null || row.limit == null ? "" : ` (${row.value}, limit ${row.limit})`;
  const sign = row.severity === "critical" ? "✕ " : "! ";
  for (const value of [sign + row.severity, row.rule, placeOf(row), row.symbol, row.message + over]) {
    made.append(element("td", {}, value));
  }
  const jump = element("td");
  if (row.frame != null) {
    const button = element("button", { type: "button" }, `frame ${row.frame}`);
    button.addEventListener("click", (event) => {
      event.stopPropagation();
      set(model, "selected", row);
      model.send({ kind: "jump", frame: row.frame });
    });
    jump.append(button);
  }
  made.append(jump);
  made.addEventListener("click", () => set(model, "selected", row));
  made.addEventListener("keydown", (event) => {
    if (event.target === made && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      set(model, "selected", row);
    }
  });
  return made;
}

/** @param {any} model @returns {{bar: HTMLElement, show: (shown: number, all: number) => void}} what filters */
function filters(model) {
  const bar = element("div", { class: "vcr-bar" });
  const severity = /** @type {HTMLSelectElement} */ (element("select", { "aria-label": "Severity" }));
  for (const value of ["", "critical", "warning"]) {
    severity.append(element("option", { value }, value || "all severities"));
  }
  const text = /** @type {HTMLInputElement} */ (
    element("input", { type: "search", placeholder: "filter by text", "aria-label": "Filter" })
  );
  const count = element("span", { class: "vcr-count", role: "status" });
  bar.append(severity, text, count);
  severity.addEventListener("change", () => set(model, "severity", severity.value));
  text.addEventListener("input", () => set(model, "text", text.value));
  const show = (/** @type {number} */ some, /** @type {number} */ all) => {
    severity.value = model.get("severity");
    // Writing the same text again would move the cursor.
    if (text.value !== model.get("text")) text.value = model.get("text");
    count.textContent = `${some} of ${all} findings` + (some > DRAWN ? `, the first ${DRAWN} shown` : "");
  };
  return { bar, show };
}

/** @param {{model: any, el: HTMLElement}} context */
function render({ model, el }) {
  const names = { class: "vcr-findings", "data-testid": "vcr-findings", "data-lm-suppress-shortcuts": "true" };
  const root = element("div", names);
  const { bar, show } = filters(model);
  const scroll = element("div", { class: "vcr-scroll" });
  const table = element("table", { "aria-label": "Findings" });
  const problem = element("p", { class: "vcr-problem", role: "alert" });
  // While the widget is there, the form that is saved with the notebook is not shown.
  const style = element("style", {}, `.vcr-saved-${model.get("group")} { display: none; }`);
  scroll.append(table);
  root.append(style, bar, scroll, problem);
  el.append(root);

  const draw = () => {
    const rows = shown(model);
    show(rows.length, model.get("findings").length);
    const focused = table.contains(document.activeElement) ? document.activeElement : null;
    const head = element("thead");
    const body = element("tbody");
    head.append(headRow(model));
    body.append(...rows.slice(0, DRAWN).map((row) => bodyRow(model, row)));
    table.replaceChildren(head, body);
    const column = focused?.getAttribute("data-sort");
    /** @type {HTMLElement | null} */ (column && table.querySelector(`[data-sort="${column}"]`))?.focus();
  };
  const mark = () => {
    const rows = shown(model);
    table.querySelectorAll("tbody tr").forEach((row, n) => {
      row.setAttribute("aria-selected", String(isSelected(model, rows[n])));
    });
  };
  const explain = () => {
    problem.textContent = model.get("error");
    problem.hidden = !model.get("error");
  };

  // Keys typed here are not the notebook's shortcuts, and a right click is the browser's.
  for (const kind of ["keydown", "contextmenu"]) root.addEventListener(kind, (event) => event.stopPropagation());
  const redrawn = "change:findings change:severity change:text change:sort change:descending";
  const listeners = /** @type {const} */ ([[redrawn, draw], ["change:selected", mark], ["change:error", explain]]);
  for (const [events, listener] of listeners) model.on(events, listener);
  draw();
  explain();
  return () => {
    for (const [events, listener] of listeners) model.off(events, listener);
  };
}

export default { render };
