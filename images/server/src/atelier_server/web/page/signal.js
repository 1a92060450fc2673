/** A signal as text, and what it looks like. */

import { count, draw, make } from "./elements.js";
import { asNumber } from "./fields.js";

const MOST_TEXT = 8e6;

export function offerSignal(holder, manifest, ask) {
  const [length, channels = 1] = manifest.inputs[0].shape.slice(1);
  const wanted = channels > 1 ? `${count(length, "line")} of ${count(channels, "value")}` : count(length, "value");
  const text = make("textarea", { id: "signal", rows: 7, spellcheck: "false", placeholder: "0.12, 0.15, 0.11, …" });
  const counted = make("p", { class: "quiet", id: "counted", "aria-live": "polite" }), sketch = make("div", { class: "sketch" });
  const file = make("input", { id: "signal-file", type: "file", accept: ".txt,.csv,text/*" });
  const wave = make("button", { type: "button" }, "A sine wave");
  holder.append(
    make("label", { for: "signal" }, `Paste ${wanted}, separated by commas, spaces or lines`), text, counted, sketch,
    make("p", { class: "buttons" }, make("button", { type: "submit", class: "main" }, "Predict"), wave, make("button", { type: "reset" }, "Clear")),
    make("p", { class: "buttons" }, make("label", { for: "signal-file" }, "or a text file "), file),
  );
  const look = () => {
    const values = parse(text.value);
    counted.textContent = `${values.length} of ${count(length * channels, "value")}`;
    sketch.replaceChildren(...sketched(values, channels));
  };
  const fill = content => { text.value = content; ask(); look(); };
  text.oninput = look;
  wave.onclick = () => fill(sine(length, channels));
  file.onchange = async () => file.files[0] && fill((await file.files[0].slice(0, MOST_TEXT).text()).trim());
  const form = holder.closest("form");
  form.onreset = () => { ask(); setTimeout(look); };
  form.onsubmit = event => {
    event.preventDefault();
    const body = JSON.stringify({ instances: [shaped(parse(text.value), channels)] });
    ask({ body, type: "application/json", curl: "--json '{\"instances\": [[…]]}'" }, steps => steps && { field: text, name: nameOf(steps, channels) });
  };
  look();
}

const parse = text => text.split(/[\s,;[\]]+/).filter(Boolean).map(asNumber);

const shaped = (values, channels) => channels === 1 ? values : Array.from({ length: Math.ceil(values.length / channels) }, (_, line) => values.slice(line * channels, (line + 1) * channels));

function nameOf([step, channel], channels) {
  if (step === undefined) return "The signal";
  if (channels === 1) return `Value ${Number(step) + 1}`;
  return channel === undefined ? `Line ${Number(step) + 1}` : `Value ${Number(channel) + 1} of line ${Number(step) + 1}`;
}

function sine(length, channels) {
  const line = index => Array.from({ length: channels }, (_, channel) => Math.sin(2 * Math.PI * (3 * index / length + channel / channels)).toFixed(3)).join(", ");
  return Array.from({ length }, (_, index) => line(index)).join(channels === 1 ? ", " : "\n");
}

function sketched(values, channels) {
  if (values.length < 2 * channels || values.some(value => typeof value !== "number")) return [];
  const low = values.reduce((a, b) => Math.min(a, b)), span = values.reduce((a, b) => Math.max(a, b)) - low || 1, last = Math.floor(values.length / channels) - 1;
  const lines = Array.from({ length: Math.min(channels, 4) }, (_, channel) => Array.from({ length: last + 1 }, (_, index) => `${(600 * index / last).toFixed(1)},${(86 - 76 * (values[index * channels + channel] - low) / span).toFixed(1)}`));
  return [draw("svg", { viewBox: "0 0 600 96", preserveAspectRatio: "none", role: "img", "aria-label": `The signal, from ${low} to ${low + span}` }, ...lines.map((points, channel) => draw("polyline", { class: `line channel${channel}`, points: points.join(" ") })))];
}
