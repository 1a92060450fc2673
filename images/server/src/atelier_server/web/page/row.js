/** A form with a field for every feature. */

import { make } from "./elements.js";
import { asNumber, offerFields } from "./fields.js";

export function offerRow(holder, manifest, ask) {
  const names = manifest.feature_names;
  const titles = names || Array.from({ length: manifest.inputs[0].shape[1] }, (_, index) => `Feature ${index + 1}`);
  const fields = titles.map((_, index) => plainField(`feature-${index}`));
  offerFields(holder, titles, fields, ask, () => instance(fields, names), names);
}

function plainField(id) {
  const control = make("input", { id, inputmode: "decimal", autocomplete: "off" });
  return { control, parts: [control], value: () => asNumber(control.value), fill: text => { control.value = text; } };
}

/** What is written, numbers as such; the server says what is wrong with the rest. A named field that is empty is missing. */
function instance(fields, names) {
  const values = fields.map(field => field.value());
  return names ? Object.fromEntries(names.map((name, index) => [name, values[index]]).filter(([, value]) => value !== null)) : values;
}
