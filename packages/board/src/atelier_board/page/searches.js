/** All searches of the store: state, best value, trials and what they cost. */

import { at, count, make, metricName, moment, number } from "./elements.js";
import { headed, scrolled, tableRow } from "./parts.js";
import { link, toSearch, toTrial } from "./route.js";
import { STATES, badge, duration, value } from "./words.js";

const HEADS = ["Search", "State", "Best", "Trials", "Epochs", "Training", "Last active"];

export function searchesView(root) {
  const body = make("tbody", { role: "rowgroup" }), scroll = scrolled("Searches", headed(...HEADS), body, "stacks"), nothing = make("p", { class: "quiet" }, "The store has no search yet. This page shows the first one by itself.");
  root.replaceChildren(make("section", {}, nothing, scroll));
  return searches => {
    nothing.hidden = searches.length > 0;
    scroll.hidden = !searches.length;
    at("state").textContent = `${count(searches.length, "search", "searches")} in the store`;
    body.replaceChildren(...searches.map(search => tableRow(HEADS, row(search))));
  };
}

const row = search => [
  link(toSearch(search.name), search.name),
  [badge(search.state, STATES[search.state]), search.problem ? make("p", { class: "wrong" }, search.problem) : null],
  best(search),
  search.max_trials ? `${number(search.trials)} of ${number(search.max_trials)}` : number(search.trials),
  number(search.epochs),
  duration(search.seconds),
  search.last_active ? moment(search.last_active) : "",
];

function best({ name, objective, best: found, best_trial: trial }) {
  if (found === null || !objective) return "";
  return make("span", {}, `${metricName(objective.name)} ${value(objective, found)} (`, link(toTrial(name, trial), trial), ")");
}
