/** Parts that views have in common: sections, quiet words, tables. */

import { make } from "./elements.js";

export const quiet = words => make("p", { class: "quiet" }, words);

export const section = (id, title, ...content) => make("section", { "aria-labelledby": `${id}-title` }, make("h2", { id: `${id}-title` }, title), ...content);

export const headed = (...names) => make("tr", { role: "row" }, ...names.map(name => name === "" ? make("td", { role: "cell" }) : make("th", { scope: "col", role: "columnheader" }, name)));

/** A table that scrolls within its place. The class stacks makes a card of each row on a phone. */
export const scrolled = (label, head, body, kind = "") => make("div", { class: `scroll ${kind}`, tabindex: 0, role: "region", "aria-label": label }, make("table", { role: "table" }, make("thead", { role: "rowgroup" }, head), body));

/** Rows of cells below heads, of which those named in long are texts over lines; a row of one cell is a heading of others. */
export function table(label, heads, rows, long = []) {
  return scrolled(label, headed(...heads), make("tbody", { role: "rowgroup" }, ...rows.map(row => tableRow(heads, row, long))), "stacks");
}

/** As cards they lose their heads, and with display: grid a browser forgets that they are rows and cells. */
export const tableRow = (heads, row, long = []) => make("tr", { role: "row" }, ...row.map((found, index) => make(index ? "td" : "th", {
  scope: !index && "row", role: index ? "cell" : "rowheader", colspan: row.length === 1 && heads.length, class: long.includes(heads[index]) && "words", "data-head": heads[index].dataset?.short ?? heads[index].textContent ?? heads[index],
}, found)));
