/** A table of thousands of rows: sorted by any column, shown page by page. */

import { count, make } from "./elements.js";
import { isEmpty } from "./filter.js";
import { chosen, keep } from "./route.js";

const PAGE = 50;

/**
 * Keep a table in the holder. The result takes {columns, rows}; columns: {name, head, at, shown, words}: the value of a row, as text or
 * element, and whether it is long. links are shown above; name is that of the file that is downloaded.
 */
export function tableView(holder, label, name, links) {
  const head = make("tr"), body = make("tbody"), found = make("span", { role: "status" });
  const [back, on, take] = ["Previous", "Next", "Download these"].map(words => make("button", { type: "button" }, words));
  const scroll = make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, make("table", {}, make("thead", {}, head), body));
  holder.replaceChildren(make("div", { class: "controls" }, take, ...links), scroll, make("p", { class: "pager" }, back, on, found));
  let known = { columns: [], rows: [] };
  const show = () => {
    const { columns } = known, by = chosen("sort"), down = chosen("down") === "1";
    const rows = sorted(known.rows, columns.find(column => column.name === by), down);
    const page = Math.min(Math.max(0, Number(chosen("page", 1)) - 1 || 0), Math.max(0, Math.ceil(rows.length / PAGE) - 1));
    head.replaceChildren(...columns.map(column => heading(column, by, down)));
    body.replaceChildren(...rows.slice(page * PAGE, (page + 1) * PAGE).map(row => make("tr", {}, ...columns.map((column, index) => cell(column, row, index)))));
    const range = rows.length > PAGE ? `${page * PAGE + 1} to ${Math.min(rows.length, (page + 1) * PAGE)} of ` : "";
    found.textContent = `${range}${count(rows.length, "trial")}`;
    [back.disabled, on.disabled] = [page === 0, (page + 1) * PAGE >= rows.length];
    [back.hidden, on.hidden] = [rows.length <= PAGE, rows.length <= PAGE];
    take.onclick = () => download(`${name}.csv`, asCsv(columns, rows));
    back.onclick = () => turn(page);
    on.onclick = () => turn(page + 2);
  };
  const turn = page => {
    keep("page", page, 1);
    show();
    scroll.scrollTop = 0;
  };
  const heading = (column, by, down) => {
    const button = make("button", { type: "button" }, column.head, make("span", { "aria-hidden": "true" }, column.name === by ? (down ? " ↓" : " ↑") : ""));
    button.onclick = () => {
      const turned = column.name === by && !down;
      keep("sort", column.name);
      keep("down", turned ? 1 : 0, 0);
      keep("page", 1, 1);
      show();
      [...head.querySelectorAll("button")].find(one => one.textContent.startsWith(column.head)).focus();
    };
    return make("th", { scope: "col", "aria-sort": column.name === by && (down ? "descending" : "ascending") }, button);
  };
  return now => {
    known = now;
    show();
  };
}

const cell = (column, row, index) => make(index ? "td" : "th", { scope: !index && "row", class: column.words && "words" }, (column.shown || (value => value ?? ""))(column.at(row), row));

/** By numbers where both are; what is empty comes last either way. */
function sorted(rows, column, down) {
  if (!column) return rows;
  const order = (a, b) => Number.isFinite(Number(a)) && Number.isFinite(Number(b)) ? a - b : String(a).localeCompare(String(b));
  return [...rows].sort((one, other) => {
    const [a, b] = [column.at(one), column.at(other)];
    if (isEmpty(a) || isEmpty(b)) return isEmpty(a) - isEmpty(b);
    return down ? order(b, a) : order(a, b);
  });
}

/** RFC 4180. */
function asCsv(columns, rows) {
  const cell = found => /[",\r\n]/.test(found) ? `"${found.replaceAll('"', '""')}"` : found;
  return [columns.map(column => column.name), ...rows.map(row => columns.map(column => column.at(row)))].map(line => line.map(found => cell(String(found ?? ""))).join(",")).join("\r\n") + "\r\n";
}

function download(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address));
}
