/** The models of the store: their versions, which one is served, and every change of that. */

import { at, count, make, metricName, moment, number, score } from "./elements.js";
import { quiet, section, table } from "./parts.js";
import { link, toSearch, toTrial } from "./route.js";
import { badge } from "./words.js";

export function modelsView(root) {
  return models => {
    at("state").textContent = `${count(models.length, "model")} in the store`;
    root.replaceChildren(...(models.length ? models.map(shownModel) : [make("section", {}, quiet("No search of the store has been promoted yet."))]));
  };
}

function shownModel({ name, served, versions, moves, decision, problems }) {
  const waits = decision && decision.outcome !== "promoted" && decision.version !== served;
  return section(`model-${name}`, name,
    ...problems.map(problem => make("p", { class: "notice wrong" }, problem)),
    waits ? make("p", { class: "notice" }, `Version ${decision.version} ${decision.outcome === "worse" ? "was refused" : "is not served"}: ${decision.reason}`) : null,
    versions.length ? table(`Versions of ${name}`, ["Version", "State", "Trial", "Search", "Scores", "Promoted", "By"], versions.map(one => [
      make("code", {}, one.version), state(one, served), link(toTrial(one.experiment, one.trial), one.trial), link(toSearch(one.experiment), one.experiment), scores(one), moment(one.promoted_at), one.promoted_by,
    ]), ["Scores"]) : quiet("It has no version."),
    make("h3", {}, "What was served"),
    moves.length ? table(`What was served as ${name}`, ["When", "Version", "Before", "By", "Why"], moves.map(one => [
      moment(one.promoted_at), make("code", {}, one.version), one.previous ? make("code", {}, one.previous) : "none", one.promoted_by, one.reason,
    ]), ["Why"]) : quiet("Nothing yet."));
}

const state = ({ version, signed, problem }, served) => make("span", {}, version === served ? badge("running", "served") : "", signed ? " signed" : "", problem ? make("span", { class: "wrong" }, ` ${problem}`) : "");

const scores = ({ objective_metric_name: name, metric, test_metrics: test, test_rows: rows }) => [
  `${metricName(name)} ${metric === null ? "not measurable" : score(name, metric)}`, ...Object.entries(test || {}).map(([one, value]) => `${metricName(one)} ${score(one, value)}`), test ? `on ${number(rows)} test rows` : ""].filter(Boolean).join(", ");
