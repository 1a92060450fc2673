/** The view that the address names, and the heading above it. */

import { at } from "./elements.js";
import { addressOf, current, link, toSearch } from "./route.js";
import { searchView } from "./search.js";
import { searchesView } from "./searches.js";
import { trialView } from "./trial.js";

/** Put an empty view on the page, unless it is there. The result has the address of what it shows, and takes that. */
export function viewOf(before) {
  const place = current(), { search, trial } = place, address = addressOf(place);
  if (before && before.address === address) return before;
  const update = (trial ? trialView : search ? searchView : searchesView)(at("view"), place);
  document.title = at("name").textContent = trial || search || "Searches";
  at("path").replaceChildren(...[search && link("#/", "All searches"), trial && link(toSearch(search), search)].filter(step => step && step.href));
  if (before) at("name").focus();
  return { address, update };
}
