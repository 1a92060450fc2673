/** A table of thousands of rows: found by words and bounds, sorted by any column, shown page by page. */

import { count, make } from "./elements.js";
import { chosen, keep } from "./route.js";

const PAGE = 50;

/**
 * Keep a table in the holder. The result takes {columns, length}; columns: {name, head, at, shown, words}: the value of a row, as text or
 * element, and whether it is long. links are shown beside the search field; name is that of the file that is downloaded.
 */
export function tableView(holder, label, name, links) {
  const field = make("input", { id: "find", autocomplete: "off", spellcheck: "false", placeholder: "lr<0.01 res3" });
  const head = make("tr"), body = make("tbody"), found = make("span", { role: "status" });
  const [back, on, take] = ["Previous", "Next", "Download these"].map(words => make("button", { type: "button" }, words));
  const scroll = make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, make("table", {}, make("thead", {}, head), body));
  holder.replaceChildren(
    make("div", { class: "controls" }, make("label", { class: "wide", for: "find" }, "Find trials by words, or bounds as in lr<0.01", field), take, ...links),
    scroll, make("p", { class: "pager" }, back, on, found));
  let known = { columns: [], length: 0 };
  const show = () => {
    const { columns } = known, wanted = chosen("find"), by = chosen("sort"), down = chosen("down") === "1";
    if (document.activeElement !== field) field.value = wanted;
    const rows = sorted(matching(known, wanted), columns.find(column => column.name === by), down);
    const page = Math.min(Math.max(0, Number(chosen("page", 1)) - 1 || 0), Math.max(0, Math.ceil(rows.length / PAGE) - 1));
    head.replaceChildren(...columns.map(column => heading(column, by, down)));
    body.replaceChildren(...rows.slice(page * PAGE, (page + 1) * PAGE).map(row => make("tr", {}, ...columns.map((column, index) => cell(column, row, index)))));
    const range = rows.length > PAGE ? `${page * PAGE + 1} to ${Math.min(rows.length, (page + 1) * PAGE)} of ` : "";
    found.textContent = `${range}${count(rows.length, "trial")}${rows.length < known.length ? `, found among ${known.length}` : ""}`;
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
  field.addEventListener("input", () => {
    keep("find", field.value);
    keep("page", 1, 1);
    show();
  });
  return now => {
    known = now;
    show();
  };
}

const cell = (column, row, index) => make(index ? "td" : "th", { scope: !index && "row", class: column.words && "words" }, (column.shown || (value => value ?? ""))(column.at(row), row));

const BOUND = /^([^<>=]+)(<=|>=|<|>|=)(.+)$/;
const HOLDS = { "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b };

/** The rows that have every word, and hold every bound on a column. */
function matching({ columns, length }, wanted) {
  const tests = wanted.split(/\s+/).filter(Boolean).map(word => test(word.toLowerCase(), columns));
  return Array.from({ length }, (_, row) => row).filter(row => tests.every(holds => holds(row)));
}

function test(word, columns) {
  const [, name, sign, bound] = word.match(BOUND) || [], column = columns.find(one => one.name.toLowerCase() === name);
  if (!column) return row => columns.some(one => String(one.at(row) ?? "").toLowerCase().includes(word));
  if (sign === "=") return row => String(column.at(row) ?? "").toLowerCase() === bound || (bound !== "" && !isEmpty(column.at(row)) && Number(column.at(row)) === Number(bound));
  return row => !isEmpty(column.at(row)) && HOLDS[sign](Number(column.at(row)), Number(bound));
}

const isEmpty = value => value === null || value === undefined || value === "";

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
