/** The try-it area: an input that fits the model's signature, and what the model answers. */

import { at, make, number, percent, upper } from "./elements.js";
import { offerRow } from "./row.js";
import { offerPicture } from "./picture.js";
import { offerSignal } from "./signal.js";
import { offerTable } from "./table.js";
import { Refused, Unanswered } from "./questions.js";
import { ask, hasToken } from "./token.js";

const MOST_BARS = 12;
const OFFERS = { images: offerPicture, signals: offerSignal, rows: offerRow };
let asked = 0;  // an answer that comes after a later question is dropped

/**
 * Offer to try a model. An offer fills the holder and gets `ask`: ask({query, body, type, curl}, place) posts to /predict, where place(steps)
 * finds the field for a violation from the steps of its JSON pointer, or nothing; ask() with nothing clears the answer.
 */
export function offerTrial(manifest) {
  const holder = make("div", { id: "input" });
  at("input").replaceWith(holder);
  clear();
  at("verdict").textContent = "";
  const offer = manifest.columns ? offerTable : OFFERS[manifest.kind];
  at("form").onsubmit = event => event.preventDefault();
  at("terminal").hidden = true;
  offer(holder, manifest, (request, place = () => undefined) => request ? predict(request, place, manifest) : forget());
}

function forget() {
  asked += 1;
  clear();
  at("verdict").textContent = "";
}

async function predict(request, place, manifest) {
  const { query = "", body, type, curl } = request, mine = asked += 1, started = performance.now();
  const { content, error } = await ask(`predict${query}`, { method: "POST", body, headers: type ? { "Content-Type": type } : {} }).catch(error => ({ error }));
  if (mine !== asked) return;
  clear();
  try {
    if (error) throw error;
    showPrediction(content.predictions[0], manifest, performance.now() - started);
  } catch (fault) {
    if (fault instanceof Refused) return showProblem(fault.problem, place);
    showFault(fault, () => predict(request, place, manifest));
    if (!(fault instanceof Unanswered)) throw fault;
    return;
  }
  at("terminal").hidden = false;
  at("curl").textContent = `curl '${new URL("predict", document.baseURI)}${query}' ${hasToken() ? '-H "Authorization: Bearer $TOKEN" ' : ""}${curl}`;
}

function clear() {
  at("bars").replaceChildren();
  at("problems").replaceChildren();
  for (const field of document.querySelectorAll("#input [aria-invalid]")) {
    field.removeAttribute("aria-invalid");
    field.removeAttribute("aria-describedby");
  }
  for (const words of document.querySelectorAll("#input .wrong")) words.remove();
}

/** A prediction is asked for once, since it may be what the server does not survive: again only if somebody wants it. */
function showFault(fault, again) {
  at("verdict").textContent = "";
  const button = make("button", { type: "button" }, "Ask again");
  button.onclick = again;
  const words = fault instanceof Unanswered ? fault.message : `This page cannot show what it was told: ${fault}.`;
  at("problems").replaceChildren(make("p", {}, words), make("p", { class: "buttons" }, button));
}

/** Every violation at its field; those without one, and what is no violation, below the answer. */
function showProblem({ detail, errors = [] }, place) {
  at("verdict").textContent = "";
  const homeless = errors.filter(error => !showAtField(error, place(steps(error.pointer))));
  const lines = errors.length ? homeless.map(error => error.detail) : [detail];
  at("problems").replaceChildren(...lines.map(line => make("p", {}, sentence(line))));
  const first = document.querySelector("#input [aria-invalid]");
  if (first) first.focus();
}

function showAtField({ detail }, found) {
  if (!found) return false;
  const { field, name } = found, id = `${field.id}-wrong`;
  const words = at(id) || make("p", { id, class: "wrong" });
  words.append(words.textContent ? " " : "", sentence(name ? `${name} ${detail}` : detail));
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", id);
  field.after(words);
  return true;
}

/** The steps of a JSON pointer below #/instances/0 or #/files/0; undefined for one elsewhere. */
function steps(pointer) {
  const [root, list, , ...rest] = pointer.split("/").map(step => step.replace(/~1/g, "/").replace(/~0/g, "~"));
  return root === "#" && (list === "instances" || list === "files") ? rest : undefined;
}

const sentence = text => `${upper(text)}${/[.!?]$/.test(text) ? "" : "."}`;

function showPrediction(prediction, manifest, took) {
  const speed = make("small", { class: "quiet" }, `answered in ${number(Math.max(1, Math.round(took)))} ms`);
  if (prediction.labels) {
    at("verdict").replaceChildren(make("strong", {}, prediction.labels.join(", ") || "no label"), speed);
    at("bars").replaceChildren(...bars(prediction));
    return;
  }
  if (prediction.probabilities) {
    at("verdict").replaceChildren(make("strong", {}, prediction.label), " ", make("span", {}, percent(prediction.probability)), speed);
    at("bars").replaceChildren(...bars(prediction));
    return;
  }
  if (manifest.target_names) {
    const named = manifest.target_names.flatMap(name => [make("span", { class: "quiet" }, name), " ", make("strong", {}, number(prediction.value[name])), " "]);
    at("verdict").replaceChildren(...named, speed);
    return;
  }
  const values = [prediction.value].flat().map(number).join(", ");
  at("verdict").replaceChildren(make("span", { class: "quiet" }, manifest.target_name || "value"), " ", make("strong", {}, values), speed);
}

/** Few classes stay in their order, so that bars move and do not jump; of many, the likeliest. */
function bars({ label, labels = [label], probabilities }) {
  const all = Object.entries(probabilities);
  const shown = all.length <= MOST_BARS ? all : [...all].sort((a, b) => b[1] - a[1]).slice(0, MOST_BARS);
  const rows = shown.map(([name, probability]) => {
    const length = make("i", { "aria-hidden": true });
    length.style.width = `${100 * probability}%`;
    return make("li", { class: labels.includes(name) ? "chosen" : undefined }, make("span", { title: name }, name), make("span", { class: "track" }, length), make("span", {}, percent(probability)));
  });
  if (shown.length < all.length) rows.push(make("li", { class: "quiet more" }, `and ${all.length - shown.length} more, each below ${percent(shown.at(-1)[1])}`));
  return rows;
}
