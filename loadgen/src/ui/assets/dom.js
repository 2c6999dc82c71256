// Small helpers for the page. Text from servers only ever becomes textContent, never markup.
import { locale, t } from "./words.js";

export const byId = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name in node && typeof value !== "string") node[name] = value;
    else if (name === "text") node.textContent = value;
    else node.setAttribute(name === "class" ? "class" : name, value);
  }
  node.append(...children.filter((child) => child !== undefined && child !== null));
  return node;
}

export function number(value, digits) {
  if (value === undefined || value === null || Number.isNaN(value)) return "–";
  const places = digits ?? (Number.isInteger(value) || Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2);
  return value.toLocaleString(locale(), { minimumFractionDigits: places, maximumFractionDigits: places });
}

export const percent = (share, digits) => `${number(share * 100, digits ?? (share > 0 && share < 0.1 ? 2 : 0))}%`;
export const clock = (ms) => new Date(ms).toLocaleTimeString(locale());
export const day = (ms) => new Date(ms).toLocaleString(locale(), { dateStyle: "medium", timeStyle: "short" });

export function duration(seconds) {
  const s = Math.round(seconds);
  return s < 60 ? `${s} s` : s < 3600 ? `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, "0")} s` : `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

// Fills a table. Columns have a title, a function that gives a value of a row, and a kind: text or number.
export function table(node, columns, rows, options = {}) {
  const sorted = node.sorted ?? options.sorted;
  const body = options.sortable && sorted ? sortRows(rows, columns, sorted) : rows;
  if (!node.tHead || node.lang !== locale() || node.columnCount !== columns.length) {
    node.lang = locale();
    node.columnCount = columns.length;
    const head = make("tr", {}, ...columns.map((column, index) => {
      const th = make("th", { scope: "col", class: column.text ? "text" : null });
      if (!options.sortable) th.textContent = column.title;
      else {
        const button = make("button", { type: "button", text: column.title });
        button.addEventListener("click", () => {
          node.sorted = { index, down: node.sorted?.index === index ? !node.sorted.down : !column.text };
          node.redraw?.();
        });
        th.append(button);
      }
      return th;
    }));
    node.replaceChildren(make("thead", {}, head), make("tbody"));
    if (options.caption) node.prepend(make("caption", { class: "hidden", text: options.caption }));
  }
  node.redraw = () => table(node, columns, rows, options);
  [...node.tHead.rows[0].cells].forEach((th, index) => {
    if (sorted?.index === index && options.sortable) th.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
    else th.removeAttribute("aria-sort");
  });
  node.tBodies[0].replaceChildren(...body.map((row) => {
    const tr = make("tr", { class: options.rowClass?.(row) });
    for (const column of columns) {
      const value = column.of(row);
      const td = make("td", { class: [column.text ? "text" : "", column.wrap ? "wrap" : "", column.class?.(row) ?? ""].join(" ").trim() || null });
      if (value instanceof Node) td.append(value);
      else td.textContent = typeof value === "number" ? number(value) : (value ?? "–");
      tr.append(td);
    }
    return tr;
  }));
  if (!body.length) node.tBodies[0].append(make("tr", {}, make("td", { class: "text", colSpan: columns.length, text: options.empty ?? t("none") })));
}

function sortRows(rows, columns, { index, down }) {
  const column = columns[index];
  const key = column.key ?? column.of;
  const last = rows.filter((row) => row.name === "Aggregated");
  const others = rows.filter((row) => row.name !== "Aggregated");
  others.sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    const order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
    return down ? -order : order;
  });
  return [...others, ...last];
}

// Posts a form; returns the parsed answer, or an object with the message of what went wrong.
export async function post(path, fields) {
  try {
    const answer = await fetch(path, { method: "POST", body: new URLSearchParams(fields) });
    const text = await answer.text();
    try { return JSON.parse(text); } catch { return { success: answer.ok, message: text.trim() }; }
  } catch { return { success: false, message: t("lost") }; }
}

export async function getJson(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error((await answer.text()).trim());
  return answer.json();
}

// Tabs with arrow keys, as assistive technology expects them.
export function tabs(list, onChange) {
  const all = [...list.querySelectorAll("[role=tab]")];
  const select = (tab, focus) => {
    for (const other of all) {
      other.setAttribute("aria-selected", String(other === tab));
      other.tabIndex = other === tab ? 0 : -1;
      byId(other.getAttribute("aria-controls")).hidden = other !== tab;
    }
    if (focus) tab.focus();
    onChange?.(tab);
  };
  all.forEach((tab, index) => {
    tab.addEventListener("click", () => select(tab));
    tab.addEventListener("keydown", (event) => {
      const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: all.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      select(all[(to + all.length) % all.length], true);
    });
  });
  select(all[0]);
  return select;
}
