/** The page: looks for the model, and shows what it finds. */

import { at, make, moment, upper } from "./elements.js";
import { showProvenance, showScores, showSearch, showTiles } from "./facts.js";
import { showNetwork } from "./network.js";
import { showCurve, showTrials } from "./learning.js";
import { offerTrial } from "./trying.js";

const EVERY = 4000;
let shown;  // the version on the page
let takes;  // what its input is like, as text

async function look() {
  try {
    const response = await fetch("model");
    const card = await response.json();
    if (response.ok) await show(card);
    else wait(card.title, card.detail);
  } catch {
    wait("The server does not answer", "It may be restarting, or the network is down.");
  }
  setTimeout(look, EVERY);
}

function wait(what, why) {
  shown = undefined;
  at("state").textContent = "Nothing is served yet";
  at("lacking").textContent = what;
  at("reason").textContent = upper(why.replace(/^no model promoted yet: /, ""));
  at("refused").hidden = at("served").hidden = true;
  at("waiting").hidden = false;
}

async function show(card) {
  at("refused").hidden = !card.refused;
  at("refused").textContent = card.refused ? `A later version was refused, and this one goes on: ${card.refused}` : "";
  if (card.version === shown) return;
  const told = await (await fetch("model/report")).json();
  if (told.version !== card.version) return;  // a promotion came in between: the next look sees it whole
  shown = card.version;
  showAll(card, told.report);
}

function showAll(card, report) {
  document.title = at("name").textContent = card.model;
  const since = card.promotion ? `, promoted ${moment(card.promotion.promoted_at)}` : "";
  at("state").replaceChildren(`${whatItDoes(card.manifest)} Version `, make("code", {}, card.version), `${since}.`);
  showTiles(card);
  showNetwork(card.manifest, report);
  showCurve(card.manifest, report);
  showTrials(card, report);
  showSearch(card, report);
  showScores(card, report);
  showProvenance(card, report);
  at("waiting").hidden = true;
  at("served").hidden = false;
  offerTrialOnce(card);
}

/** What somebody has drawn or written stays, as long as the next version takes the same. */
function offerTrialOnce({ model, manifest }) {
  const now = JSON.stringify([model, manifest.kind, manifest.inputs, manifest.feature_names, manifest.labels, manifest.target_name]);
  if (now !== takes) offerTrial(manifest);
  takes = now;
}

function whatItDoes({ kind, task, inputs, labels, target_name }) {
  const size = inputs[0].shape.slice(1);
  const what = {
    images: `pictures of ${size.slice(0, 2).join(" × ")} pixels`,
    signals: `signals of ${size[0]} values`,
    rows: `rows of ${size[0]} ${size[0] === 1 ? "feature" : "features"}`,
  }[kind];
  return task === "classification" ? `Tells ${(labels || []).length} classes of ${what} apart.` : `Predicts ${target_name || "a value"} from ${what}.`;
}

look();
