/** Fields for the values of a row, under their titles, and the question that they make. */

import { make } from "./elements.js";

const FEW = 30;  // more fields than this scroll in a box of their own

/** Lay out fields under their titles, and ask for the row that they make; a violation is placed by name, or by number without names. */
export function offerFields(holder, titles, fields, ask, row, names = titles) {
  const labelled = titles.map((title, index) => make("div", {}, make("label", { for: fields[index].control.id }, title), ...fields[index].parts));
  holder.append(
    make("div", { class: titles.length > FEW ? "fields many" : "fields" }, ...labelled),
    make("p", { class: "buttons" }, make("button", { type: "submit", class: "main" }, "Predict"), make("button", { type: "reset" }, "Clear"), make("span", { class: "quiet" }, "A row pasted into a field fills those after it too.")),
  );
  const place = steps => steps && fieldOf(fields, names, steps);
  const form = holder.closest("form");
  form.onsubmit = event => {
    event.preventDefault();
    const body = JSON.stringify({ instances: [row()] });
    ask({ body, type: "application/json", curl: `--json '${body.replaceAll("'", "'\\''")}'` }, place);
  };
  form.onreset = () => ask();
  fields.forEach((field, index) => field.control.addEventListener("paste", event => spread(event, fields.slice(index))));
}

export function asNumber(text) {
  const trimmed = text.trim();
  if (trimmed === "") return null;
  return Number.isFinite(Number(trimmed)) ? Number(trimmed) : trimmed;
}

function fieldOf(fields, names, [step]) {
  const field = fields[names ? names.indexOf(step) : Number(step)];
  return field && { field: field.control };
}

/** Cells of a spreadsheet are separated by tabs, and may hold spaces and commas then. */
function spread(event, fields) {
  const text = event.clipboardData.getData("text");
  const values = text.includes("\t") ? text.replace(/\r?\n$/, "").split("\t").map(cell => cell.trim()) : text.trim().split(/[\s,;]+/);
  if (values.length < 2) return;
  event.preventDefault();
  values.slice(0, fields.length).forEach((value, index) => fields[index].fill(value));
}
