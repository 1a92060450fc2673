/** How the winner learned, epoch by epoch, and where it stands among everything that was tried. */

import { chart } from "./charts.js";
import { at, count, lower, make, metricName, number, score } from "./elements.js";

const before = what => `This version was promoted before ${what} was kept with it.`;

function holds({ config, provenance: { best_epoch }, objective_metric_name: name }) {
  const kept = best_epoch ? `of epoch ${(config.parent_epochs || 0) + best_epoch}, the best by ${lower(metricName(name))}` : "of the last";
  return `Ringed: the best epoch. The model has the weights ${kept}.`;
}

export function showCurve(manifest, report) {
  const curve = report ? report.curve : [];
  if (!curve.length) return at("curve").replaceChildren(...(report ? short(report) : []), make("p", { class: "quiet" }, noCurve(manifest, report)));
  const names = Object.keys(curve[0].metrics).sort((a, b) => (b === manifest.objective_metric_name) - (a === manifest.objective_metric_name) || a.localeCompare(b));
  const holder = make("div", { class: "holder" }), choice = make("select", { id: "measure" }, ...names.map(name => make("option", { value: name }, metricName(name))));
  const paint = () => chart(holder, curveOf(choice.value, curve, manifest.config.parent_epochs, report.objective));
  choice.addEventListener("change", paint);
  at("curve").replaceChildren(...short(report), make("p", { class: "choice" }, make("label", { for: "measure" }, "Show "), choice), holder, make("p", { class: "quiet legend" }, holds(manifest)), asTable(curve, names));
  paint();
}

function noCurve({ config }, report) {
  if (!report) return before("the curve");
  return config.members ? "A mean of trained networks has no curve of its own." : "The store had lost the curve by the time of the promotion.";
}

/** That the network was not trained to its end, which older reports do not say. */
function short({ shortfall }) {
  return shortfall ? [make("p", { class: "notice" }, `This network was ${shortfall}.`)] : [];
}

function curveOf(name, curve, tailFrom, objective) {
  const values = curve.map(epoch => epoch.metrics[name]);
  const lowest = name === objective.objective_metric_name ? objective.type === "minimize" : /(loss|rmse|mae|mape|rmsle|ece)$/.test(name);
  const best = values.indexOf(lowest ? Math.min(...values) : Math.max(...values));
  const says = index => `epoch ${curve[index].epoch}: ${score(name, values[index])}`;
  return {
    x: { name: "epoch", whole: true, shown: number },
    y: { shown: value => score(name, value).replace(/\.?0+ %$/, " %") },
    dots: values.map((value, index) => ({ x: curve[index].epoch, y: value, class: index === best ? "best" : "dot", says: says(index) })),
    line: true,
    band: tailFrom ? { from: tailFrom, says: "falling learning rate" } : undefined,
    says: `${metricName(name)} over ${count(curve.length, "epoch")}: first ${score(name, values[0])}, best ${score(name, values[best])} at epoch ${curve[best].epoch}, last ${score(name, values.at(-1))}`,
  };
}

function asTable(curve, names) {
  const row = (cell, first, ...rest) => make("tr", {}, make("th", { scope: cell }, first), ...rest.map(text => make(cell === "col" ? "th" : "td", cell === "col" ? { scope: "col" } : {}, text)));
  const lines = curve.map(epoch => row("row", epoch.epoch, ...names.map(name => score(name, epoch.metrics[name]))));
  const table = make("table", {}, make("thead", {}, row("col", "Epoch", ...names.map(metricName))), make("tbody", {}, ...lines));
  return make("details", {}, make("summary", {}, "As a table"), make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Metrics by epoch" }, table));
}

const STATUSES = { succeeded: "trained to the end", paused: "ended early", stopped: "stopped on request", running: "still running", over_budget: "over budget", failed: "failed", rejected: "refused" };

export function showTrials({ manifest, promotion }, report) {
  if (!report) return at("trials").replaceChildren(make("p", { class: "quiet" }, before("the search")));
  const drawn = report.trials.filter(trial => trial.metric !== null && trial.params !== null);
  const holder = make("div", { class: "holder" });
  at("trials").replaceChildren(make("p", {}, inWords(report.trials)), ...toBeat(report), ...atTheEnd(report), holder, make("p", { class: "quiet legend" }, legend(drawn, promotion)));
  if (drawn.length) chart(holder, trialsOf(drawn, manifest, promotion, report));
}

function inWords(trials) {
  const statuses = Object.keys(STATUSES).map(status => [STATUSES[status], trials.filter(trial => trial.status === status).length]);
  return `${count(trials.length, "trial")} by the time of the promotion: ${statuses.filter(([, many]) => many).map(([words, many]) => `${many} ${words}`).join(", ")}.`;
}

/** What simple models came to on the same validation rows; older reports, and searches of anything but rows, have none. */
function toBeat({ baselines = [], objective }) {
  const name = objective.objective_metric_name;
  const each = baselines.map(baseline => `${BASELINES[baseline.name] || baseline.name} ${score(name, baseline.metric)}`);
  return each.length ? [make("p", { class: "baselines" }, `To beat, by ${lower(metricName(name))}: ${each.join(", ")}.`)] : [];
}

/** What was tried at the end of the search, and what came of it; most searches, and older reports, have nothing. */
function atTheEnd({ finish = [] }) {
  const of = { average: "an average", mirror: "the best on a picture and its mirror image", retraining: "the best, retrained on the validation rows too", int8: "the best in int8" };
  return finish.map(({ what, members, kept, reason }) => make("p", { class: "finish" }, `At the end, ${of[what]}${members.length ? ` of ${members.map(({ trial }) => trial).join(", ")}` : ""}: ${kept ? "kept" : "not kept"}: ${reason}.`));
}

const BASELINES = { hist_gradient_boosting: "boosted trees", logistic_regression: "logistic regression", linear_regression: "linear regression", majority: "the majority", mean: "the mean" };

const LOOKS = { best: "Ringed: the winner.", dot: "Filled: trained to the end.", early: "Hollow: ended early.", lost: "Dashed: not to be promoted." };

const look = (trial, won) => trial.trial === won ? "best" : trial.rank === null ? "lost" : trial.status === "succeeded" ? "dot" : "early";

function legend(trials, promotion) {
  const there = new Set(trials.map(trial => look(trial, promotion && promotion.trial)));
  return Object.keys(LOOKS).filter(name => there.has(name)).map(name => LOOKS[name]).join(" ");
}

function trialsOf(trials, manifest, promotion, { objective, budget }) {
  const name = objective.objective_metric_name, won = promotion && promotion.trial;
  return {
    x: { name: "parameters", log: true },
    y: { shown: value => score(name, value).replace(/\.?0+ %$/, " %") },
    dots: trials.map(trial => ({
      x: trial.params, y: trial.metric, class: look(trial, won),
      says: `${trial.trial}${trial.trial === won ? ", the winner" : ""}: ${metricName(name)} ${score(name, trial.metric)}, ${count(trial.params, "parameter")}, ${count(trial.epochs, "epoch")}, ${STATUSES[trial.status]}`,
    })),
    bound: budget.params && budget.params < 20 * Math.max(...trials.map(trial => trial.params)) ? { x: budget.params, says: "budget" } : undefined,
    says: `${metricName(name)} and size of ${count(trials.length, "trial")}; ${manifest.metrics[name] === undefined ? "the winner was retrained and has no value" : `the winner, ringed, has ${score(name, manifest.metrics[name])}`} with ${count(manifest.params, "parameter")}`,
  };
}
