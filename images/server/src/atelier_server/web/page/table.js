/** A form with a field for every column of a table: numbers, levels to choose from, dates. Nothing given is a gap. */

import { make } from "./elements.js";
import { asNumber, offerFields } from "./fields.js";

const MOST_OPTIONS = 60;  // of a longer list, a word is written, with what is known as suggestions
const UNSEEN = "\ufffd";  // never a level

export function offerTable(holder, manifest, ask) {
  const fields = manifest.columns.map((column, index) => FIELDS[column.kind](column, `feature-${index}`));
  const names = manifest.columns.map(column => column.name);
  offerFields(holder, names, fields, ask, () => Object.fromEntries(names.map((name, index) => [name, fields[index].value()])));
}

const FIELDS = { number: numberField, category: categoryField, date: dateField };

/** What a form knows of a field: its control, what stands around it, its value as JSON has it, and how a cell of a table fills it. */
function numberField(_, id) {
  const control = make("input", { id, inputmode: "decimal", autocomplete: "off", placeholder: "missing" });
  return { control, parts: [control], value: () => asNumber(control.value), fill: text => { control.value = text; } };
}

function categoryField({ levels }, id) {
  return levels.length > MOST_OPTIONS ? wordField(levels, id) : choiceField(levels, id);
}

function choiceField(levels, id) {
  const option = (value, words) => make("option", { value }, words);
  const control = make("select", { id }, option("", "missing"), ...levels.map(level => option(level, level)), option(UNSEEN, "anything else"));
  const fill = text => { control.value = text === "" || levels.includes(text) ? text : UNSEEN; };
  return { control, parts: [control], value: () => control.value || null, fill };
}

function wordField(levels, id) {
  const control = make("input", { id, list: `${id}-levels`, autocomplete: "off", placeholder: "missing" });
  const known = make("datalist", { id: `${id}-levels` }, ...levels.map(level => make("option", { value: level })));
  return { control, parts: [control, known], value: () => control.value.trim() || null, fill: text => { control.value = text; } };
}

/** A time alone is no date: the server says so. */
function dateField({ name }, id) {
  const control = make("input", { id, type: "date", max: "9999-12-31" });
  const time = make("input", { id: `${id}-time`, type: "time", "aria-label": `${name}, time in UTC` });
  const value = () => control.value || time.value ? `${control.value}${time.value && `T${time.value}`}` : null;
  const fill = text => { [control.value, time.value] = [text.slice(0, 10), text.slice(11, 16)]; };
  return { control, parts: [make("div", { class: "moment" }, control, time)], value, fill };
}
