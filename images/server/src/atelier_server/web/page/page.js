/** The page: looks for the model, and shows what it finds. */

import { at, make, metricName, moment, say, upper } from "./elements.js";
import { showProvenance, showScores, showSearch, showTiles } from "./facts.js";
import { networkParts } from "./network.js";
import { showCurve, showTrials } from "./learning.js";
import { qualityParts } from "./quality.js";
import { Refused, Unanswered, inWords } from "./questions.js";
import { ask, givenToken, hasToken, unlock } from "./token.js";
import { offerTrial } from "./trying.js";

const EVERY = 2000;  // milliseconds from one look at the model to the next
let shown = null;  // the version on the page
let takes;  // what its input is like, as text

async function follow() {
  try {
    await look();
  } catch (error) {
    if (error instanceof Refused) wait(error.problem);
    else say("notice", inWords(error));
    if (!(error instanceof Unanswered)) throw error;
  } finally {
    setTimeout(follow, EVERY);
  }
}

async function look() {
  const card = await admitted("model");
  if (card.version !== shown) {
    const { version, report } = await admitted("model/report");
    if (version !== card.version) throw new Unanswered("The model's card and its report are not of the same version.");  // a promotion came in between
    showAll(card, report);
    shown = card.version;
  }
  say("notice", card.refused ? `A later version was refused, and this one goes on: ${card.refused}` : "");
  say("candidate", card.waiting ? beside(card.waiting) : "");
  at("search-report").hidden = !card.search_report;
}

/** What the server tells, once it has the token that it may ask for. Throws Unanswered. */
async function admitted(path) {
  const { content, error } = await ask(path).catch(error => ({ error }));
  if (error?.status === 401) {
    lock();
    await givenToken();
    return admitted(path);
  }
  unlock();
  at("links").hidden = hasToken();  // a browser that follows a link sends no token
  if (error) throw error;
  return content;
}

function lock() {
  shown = null;
  at("state").textContent = "A token is needed";
  say("notice", "");
  for (const part of ["links", "waiting", "served", "candidate"]) at(part).hidden = true;
}

/** Nothing is served, and the server says why. */
function wait({ title, detail }) {
  shown = null;
  at("state").textContent = "Nothing is served yet";
  at("lacking").textContent = title;
  at("reason").textContent = upper(detail.replace(/^no model promoted yet: /, ""));
  say("notice", "");
  at("served").hidden = at("candidate").hidden = at("search-report").hidden = true;
  at("waiting").hidden = false;
}

/** The last winner that is not served, and why, with both scores. */
function beside({ version, trial, outcome, comparison, reason }) {
  const who = `The last search's winner, version ${version} (${trial}),`;
  const why = outcome === "worse" ? "was refused: it is worse" : `waits for a person: ${reason}`;
  if (!comparison || comparison.served === null) return `${who} ${why}.`;
  const { metric_name, rows, value, served } = comparison;
  const where = rows === "different" ? "on different rows" : `on the same ${rows} rows`;
  return `${who} ${why}. ${metricName(metric_name)} ${exact(value, served)} beside ${exact(served, value)} of the served version, ${where}.`;
}

/** A number with as many places as tell it from another. */
function exact(value, other) {
  const places = [4, 6, 9, 12].find(count => value.toPrecision(count) !== other.toPrecision(count));
  return places && value !== other ? String(Number(value.toPrecision(places))) : String(value);
}

function showAll(card, report) {
  document.title = at("name").textContent = card.model;
  const since = card.promotion ? `, promoted ${moment(card.promotion.promoted_at)}` : "";
  at("state").replaceChildren(`${whatItDoes(card.manifest)} Version `, make("code", {}, card.version), `${since}.`);
  showTiles(card);
  at("network").replaceChildren(...networkParts(card.manifest, report));
  showCurve(card.manifest, report);
  showTrials(card, report);
  showSearch(card, report);
  showScores(card, report);
  const quality = qualityParts(report || {}, card);
  at("quality-section").hidden = !quality.length;
  at("quality").replaceChildren(...quality);
  showProvenance(card, report);
  at("waiting").hidden = true;
  at("served").hidden = false;
  offerTrialOnce(card);
}

/** What somebody has drawn or written stays, as long as the next version takes the same. */
function offerTrialOnce({ model, manifest }) {
  const now = JSON.stringify([model, manifest.kind, manifest.inputs, manifest.columns, manifest.feature_names, manifest.labels, manifest.target_name, manifest.target_names]);
  if (now !== takes) offerTrial(manifest);
  takes = now;
}

function whatItDoes({ kind, task, inputs, columns, labels, target_name, target_names }) {
  const size = columns ? [columns.length] : inputs[0].shape.slice(1);
  const what = {
    images: `pictures of ${size.slice(0, 2).join(" × ")} pixels`,
    signals: `signals of ${size[0]} values`,
    rows: `rows of ${size[0]} ${columns ? "column" : "feature"}${size[0] === 1 ? "" : "s"}`,
  }[kind];
  if (task === "multilabel") return `Gives any of ${(labels || []).length} labels to ${what}.`;
  return task === "classification" ? `Tells ${(labels || []).length} classes of ${what} apart.` : `Predicts ${target_names ? target_names.join(", ") : target_name || "a value"} from ${what}.`;
}

follow();
