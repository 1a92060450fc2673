/** A form with a field for every feature. */

import { make } from "./elements.js";

const FEW = 30;  // more fields than this scroll in a box of their own

export function offerRow(holder, manifest, ask) {
  const names = manifest.feature_names;
  const titles = names || Array.from({ length: manifest.inputs[0].shape[1] }, (_, index) => `Feature ${index + 1}`);
  const fields = titles.map((_, index) => make("input", { id: `feature-${index}`, inputmode: "decimal", autocomplete: "off" }));
  holder.append(
    make("div", { class: titles.length > FEW ? "fields many" : "fields" }, ...titles.map((title, index) => make("div", {}, make("label", { for: `feature-${index}` }, title), fields[index]))),
    make("p", { class: "buttons" }, make("button", { type: "submit", class: "main" }, "Predict"), make("button", { type: "reset" }, "Clear"), make("span", { class: "quiet" }, "A row pasted into a field fills those after it too.")),
  );
  const place = steps => steps && fieldOf(fields, names, steps);
  const form = holder.closest("form");
  form.onsubmit = event => {
    event.preventDefault();
    const body = JSON.stringify({ instances: [instance(fields, names)] });
    ask({ body, type: "application/json", curl: `--json '${body.replaceAll("'", "'\\''")}'` }, place);
  };
  form.onreset = () => ask();
  fields.forEach((field, index) => field.addEventListener("paste", event => spread(event, fields.slice(index))));
}

/** What is written, numbers as such; the server says what is wrong with the rest. A named field that is empty is missing. */
function instance(fields, names) {
  const values = fields.map(field => asNumber(field.value));
  return names ? Object.fromEntries(names.map((name, index) => [name, values[index]]).filter(([, value]) => value !== null)) : values;
}

export function asNumber(text) {
  const trimmed = text.trim();
  if (trimmed === "") return null;
  return Number.isFinite(Number(trimmed)) ? Number(trimmed) : trimmed;
}

function fieldOf(fields, names, [step]) {
  const field = fields[names ? names.indexOf(step) : Number(step)];
  return field && { field };
}

function spread(event, fields) {
  const values = event.clipboardData.getData("text").trim().split(/[\s,;]+/);
  if (values.length < 2) return;
  event.preventDefault();
  values.slice(0, fields.length).forEach((value, index) => { fields[index].value = value; });
}
