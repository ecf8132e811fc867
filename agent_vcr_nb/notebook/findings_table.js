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

/** @param {{model: any, el: HTMLElement}} context */
function render({ model, el }) {
  const stop = new AbortController();
  const root = element("div", { class: "vcr-findings", "data-testid": "vcr-findings", "data-lm-suppress-shortcuts": "true" });
  const bar = element("div", { class: "vcr-bar" });
  const severity = element("select", { "aria-label": "Severity" });
  for (const [value, label] of [["", "all severities"], ["critical", "critical"], ["warning", "warning"]]) {
    severity.append(element("option", { value }, label));
  }
  const text = element("input", { type: "search", placeholder: "filter by text", "aria-label": "Filter" });
  const count = element("span", { class: "vcr-count", role: "status" });
  bar.append(severity, text, count);
  const scroll = element("div", { class: "vcr-scroll" });
  const table = element("table", { "aria-label": "Findings" });
  scroll.append(table);
  const problem = element("p", { class: "vcr-problem", role: "alert" });
  // While the widget is there, the form that is saved with the notebook is not shown.
  const style = element("style", {}, `.vcr-saved-${model.get("group")} { display: none; }`);
  root.append(style, bar, scroll, problem);
  el.append(root);

  /** @param {string} name @param {any} value */
  const set = (name, value) => {
    model.set(name, value);
    model.save_changes();
  };

  const head = () => {
    const row = element("tr");
    const column = model.get("sort");
    for (const [name, label] of COLUMNS) {
      const isSorted = name === column;
      const order = model.get("descending") ? "descending" : "ascending";
      const cell = element("th", { scope: "col", "aria-sort": isSorted ? order : "none" });
      const mark = isSorted ? (model.get("descending") ? " ▼" : " ▲") : "";
      const button = element("button", { type: "button", title: `Sort by ${label.toLowerCase()}` }, label + mark);
      button.addEventListener("click", () => {
        model.set("descending", isSorted && !model.get("descending"));
        set("sort", name);
        /** @type {HTMLElement | null} */ (table.querySelector(`th:nth-child(${COLUMNS.findIndex(([c]) => c === name) + 1}) button`))?.focus();
      });
      cell.append(button);
      row.append(cell);
    }
    return row;
  };

  /** @param {Row} row */
  const line = (row) => {
    const isSelected = model.get("selected")?.key === row.key && placeOf(model.get("selected")) === placeOf(row);
    const made = element("tr", { tabindex: "0", "aria-selected": String(isSelected), "data-severity": row.severity });
    const over = row.value == null || row.limit == null ? "" : ` (${row.value}, limit ${row.limit})`;
    const sign = row.severity === "critical" ? "✕ " : "! ";
    for (const value of [sign + row.severity, row.rule, placeOf(row), row.symbol, row.message + over]) {
      made.append(element("td", {}, value));
    }
    const jump = element("td");
    if (row.frame != null) {
      const button = element("button", { type: "button", class: "vcr-jump" }, `frame ${row.frame}`);
      button.addEventListener("click", (event) => {
        event.stopPropagation();
        set("selected", row);
        model.send({ kind: "jump", frame: row.frame });
      });
      jump.append(button);
    }
    made.append(jump);
    made.addEventListener("click", () => set("selected", row));
    made.addEventListener("keydown", (event) => {
      if (event.target === made && (event.key === "Enter" || event.key === " ")) {
        event.preventDefault();
        set("selected", row);
      }
    });
    return made;
  };

  const draw = () => {
    const rows = model.get("findings");
    const shown = shownRows(rows, model.get("severity"), model.get("text"), model.get("sort"), model.get("descending"));
    severity.value = model.get("severity");
    if (text.value !== model.get("text")) text.value = model.get("text");
    count.textContent =
      `${shown.length} of ${rows.length} findings` + (shown.length > DRAWN ? `, the first ${DRAWN} shown` : "");
    const body = element("tbody");
    body.append(...shown.slice(0, DRAWN).map(line));
    const header = element("thead");
    header.append(head());
    table.replaceChildren(header, body);
    root.dataset.count = String(shown.length);
  };

  const mark = () => {
    const chosen = model.get("selected");
    const rows = shownRows(model.get("findings"), model.get("severity"), model.get("text"), model.get("sort"), model.get("descending"));
    table.querySelectorAll("tbody tr").forEach((row, n) => {
      row.setAttribute("aria-selected", String(rows[n].key === chosen?.key && placeOf(rows[n]) === placeOf(chosen)));
    });
  };

  const explain = () => {
    problem.textContent = model.get("error");
    problem.hidden = !model.get("error");
  };

  severity.addEventListener("change", () => set("severity", severity.value));
  text.addEventListener("input", () => set("text", text.value));
  // Keys typed here are not the notebook's shortcuts, and a right click is the browser's.
  for (const kind of ["keydown", "contextmenu"]) {
    root.addEventListener(kind, (event) => event.stopPropagation(), { signal: stop.signal });
  }
  const redrawn = "change:findings change:severity change:text change:sort change:descending";
  model.on(redrawn, draw);
  model.on("change:selected", mark);
  model.on("change:error", explain);
  draw();
  explain();
  return () => {
    stop.abort();
    model.off(redrawn, draw);
    model.off("change:selected", mark);
    model.off("change:error", explain);
  };
}

export default { render };
