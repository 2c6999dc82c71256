// Tables that are filled again and again while their head, and so the focus in it, stays.
import { make } from "./dom.js";
import { number } from "./format.js";
import { locale, t } from "./words.js";

// Fills a table. A column has:
//   title   its head
//   value   a function from a row to a number, a text or a node
//   key     a function from a row to the value that it is sorted by, if that is another
//   text    true for text, which is aligned to the left
//   wrap    true for long text
//   class   a function from a row to a class
// Options: caption, empty (text without rows), sortable, sorted ({index, down}), rowClass.
export function table(node, columns, rows, options = {}) {
  const sorted = options.sortable ? (node.sorted ?? options.sorted) : undefined;
  const isCurrent = node.tHead && node.lang === locale() && node.columnCount === columns.length;
  if (!isCurrent) {
    node.lang = locale();
    node.columnCount = columns.length;
    node.replaceChildren(head(node, columns, options), make("tbody"));
    if (options.caption) {
      node.prepend(make("caption", { class: "hidden", text: options.caption }));
    }
  }
  node.redraw = () => table(node, columns, rows, options);
  [...node.tHead.rows[0].cells].forEach((cell, index) => {
    if (sorted?.index === index) {
      cell.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
    } else {
      cell.removeAttribute("aria-sort");
    }
  });
  const shown = sorted ? sortRows(rows, columns, sorted) : rows;
  const body = node.tBodies[0];
  body.replaceChildren(...shown.map((row) => tableRow(columns, row, options.rowClass?.(row))));
  if (!shown.length) {
    const text = options.empty ?? t("none");
    body.append(make("tr", {}, make("td", { class: "text", colSpan: columns.length, text })));
  }
}

function head(node, columns, options) {
  const cells = columns.map((column, index) => {
    const cell = make("th", { scope: "col", class: column.text ? "text" : null });
    if (!options.sortable) {
      cell.textContent = column.title;
      return cell;
    }
    const button = make("button", { type: "button", text: column.title });
    button.addEventListener("click", () => {
      const isAgain = node.sorted?.index === index;
      node.sorted = { index, down: isAgain ? !node.sorted.down : !column.text };
      node.redraw?.();
    });
    cell.append(button);
    return cell;
  });
  return make("thead", {}, make("tr", {}, ...cells));
}

function tableRow(columns, row, rowClass) {
  const cells = columns.map((column) => {
    const classes = [
      column.text ? "text" : "",
      column.wrap ? "wrap" : "",
      column.class?.(row) ?? "",
    ];
    const cell = make("td", { class: classes.join(" ").trim() || null });
    const value = column.value(row);
    if (value instanceof Node) cell.append(value);
    else cell.textContent = typeof value === "number" ? number(value) : (value ?? "–");
    return cell;
  });
  return make("tr", { class: rowClass }, ...cells);
}

// Sorts rows by a column. The row of the total stays last.
function sortRows(rows, columns, { index, down }) {
  const column = columns[index];
  const key = column.key ?? column.value;
  const total = rows.filter((row) => row.name === "Aggregated");
  const others = rows.filter((row) => row.name !== "Aggregated");
  others.sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    const areNumbers = typeof x === "number" && typeof y === "number";
    const order = areNumbers ? x - y : String(x).localeCompare(String(y));
    return down ? -order : order;
  });
  return [...others, ...total];
}
