/** All searches of the store: state, best value, trials and what they cost. */

import { at, count, make, metricName, moment, number } from "./elements.js";
import { link, toSearch, toTrial } from "./route.js";
import { STATES, badge, duration, value } from "./words.js";

const HEADS = ["Search", "State", "Best", "Trials", "Epochs", "Training", "Last active"];

export function searchesView(root) {
  const body = make("tbody"), nothing = make("p", { class: "quiet" }, "The store has no search yet. This page shows the first one by itself.");
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...HEADS.map(head => make("th", { scope: "col" }, head)))), body);
  const scroll = make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Searches" }, table);
  root.replaceChildren(make("section", {}, nothing, scroll));
  return searches => {
    nothing.hidden = searches.length > 0;
    scroll.hidden = !searches.length;
    at("state").textContent = `${count(searches.length, "search", "searches")} in the store`;
    body.replaceChildren(...searches.map(row));
  };
}

const row = search => make("tr", {},
  make("th", { scope: "row" }, link(toSearch(search.name), search.name)),
  make("td", {}, badge(search.state, STATES[search.state]), search.problem ? make("p", { class: "wrong" }, search.problem) : null),
  make("td", {}, ...best(search)),
  make("td", {}, search.max_trials ? `${number(search.trials)} of ${number(search.max_trials)}` : number(search.trials)),
  make("td", {}, number(search.epochs)),
  make("td", {}, duration(search.seconds)),
  make("td", {}, search.last_active ? moment(search.last_active) : ""));

function best({ name, objective, best: found, best_trial: trial }) {
  if (found === null || !objective) return [""];
  return [`${metricName(objective.name)} ${value(objective, found)} (`, link(toTrial(name, trial), trial), ")"];
}
