/** The view that the address names, and the heading above it. */

import { auditView } from "./audit.js";
import { comparisonView } from "./comparison.js";
import { at } from "./elements.js";
import { modelsView } from "./models.js";
import { addressOf, current, link, toAudit, toCompare, toModels, toSearch } from "./route.js";
import { searchView } from "./search.js";
import { searchesView } from "./searches.js";
import { forget } from "./seen.js";
import { trialView } from "./trial.js";

const VIEWS = {
  searches: { show: searchesView, title: () => "Searches" },
  search: { show: searchView, title: ({ search }) => search },
  trial: { show: trialView, title: ({ trial }) => trial },
  audit: { show: auditView, title: () => "Audit" },
  models: { show: modelsView, title: () => "Models" },
  compare: { show: comparisonView, title: ({ a, b }) => a && b ? `${a} and ${b}` : "Compare" },
};

/**
 * Put an empty view on the page, unless it is there. The result has the address of what it shows, and takes that; once: it is asked for
 * one time, since it takes a while to put together.
 */
export function viewOf(before) {
  const place = current(), { show, title } = VIEWS[place.view], address = addressOf(place), name = `${place.view} ${address}`;
  if (before && before.name === name) return before;
  forget();
  const update = show(at("view"), place);
  document.title = at("name").textContent = title(place);
  at("path").replaceChildren(...steps(place).filter(step => step.href));
  if (before) at("name").focus();
  return { name, address, update, once: place.view === "audit" || (place.view === "compare" && address.includes("?")) };
}

const steps = ({ view, search }) => [
  view !== "searches" && link("#/", "All searches"), view === "trial" && link(toSearch(search), search), view !== "models" && link(toModels, "Models"), view !== "audit" && link(toAudit, "Audit"), view !== "compare" && link(toCompare("", ""), "Compare"),
].filter(Boolean);
