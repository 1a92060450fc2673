/** One search on one page: how the best value came about, learning curves, what the value costs, and every trial. */

import { chart, clear } from "./charts.js";
import { at, bytes, count, facts, lower, make, metricName, milliseconds, number, short } from "./elements.js";
import { addressOf, chosen, has, keep, link, open, toTrial } from "./route.js";
import { tableView } from "./table.js";
import { STATES, STATUSES, axisValue, badge, better, duration, value } from "./words.js";

const OVER = { trials: "trials that ended", epochs: "epochs trained", hours: "hours of training" };
const COSTS = {
  params: { name: "parameters", bound: "params" }, macs: { name: "multiply-adds", bound: "macs" },
  latency_p50_ms: { name: "milliseconds for an example", bound: "latency_ms" }, onnx_bytes: { name: "bytes of ONNX" },
};

export function searchView(root, { search }) {
  const tiles = make("ul", { class: "tiles", "aria-label": "In short" }), problem = make("p", { class: "notice wrong", role: "alert", hidden: true });
  const progress = box(), curves = box(), costs = box(), table = make("div"), asked = make("div"), legend = make("p", { class: "quiet legend" }), marks = make("p", { class: "quiet legend" });
  const over = choice("over", "Over", Object.entries(OVER), "trials"), axis = choice("x", "Against", [], "params");
  root.replaceChildren(problem, tiles,
    make("div", { class: "pair" },
      section("progress", "The best so far", over, progress),
      section("curves", "How they learned", curves, legend)),
    section("costs", "The objective against costs and parameters", axis, costs, marks),
    section("trials", "Every trial", table),
    section("asked", "What was searched", asked));
  const csv = `${addressOf({ search })}/trials.csv`;
  const show = tableView(table, "Table of trials", search, has(csv) ? [make("a", { href: csv, download: `${search}.csv` }, "Download as CSV")] : []);
  let told;
  const drawAxis = () => told.objective && drawCosts(costs, marks, told, axis.select.value);
  const drawOver = () => told.objective && drawProgress(progress, told, over.select.value);
  axis.select.addEventListener("change", drawAxis);
  over.select.addEventListener("change", drawOver);
  return now => {
    told = now;
    at("state").replaceChildren(badge(now.state, STATES[now.state]), ` ${inWords(now)}`);
    problem.hidden = !now.problem;
    problem.textContent = now.problem || "";
    tiles.replaceChildren(...shownTiles(now));
    if (now.objective) {
      axis.offer([...Object.entries(COSTS).map(([name, { name: words }]) => [name, words]), ...now.spec.parameters.map(({ name }) => [`:${name}`, name])]);
      drawOver();
      drawAxis();
      drawCurves(curves, legend, now);
    } else for (const holder of [progress, curves, costs]) clear(holder, nothing("The search itself cannot be read, so its objective is not known."));
    show({ columns: columnsOf(now), length: now.trials_by_column.trial.length });
    asked.replaceChildren(...(now.spec ? shownSpec(now.spec) : []));
  };
}

const box = () => make("div", { class: "holder" });

const nothing = words => make("p", { class: "quiet" }, words);

const section = (id, title, ...content) => make("section", { "aria-labelledby": `${id}-title` }, make("h2", { id: `${id}-title` }, title), ...content.map(one => one.field || one));

/** A choice that the address keeps. */
function choice(name, words, options, usual) {
  const select = make("select", { id: name });
  const offer = offered => {
    if (select.options.length === offered.length) return;
    select.replaceChildren(...offered.map(([value, text]) => make("option", { value }, text)));
    select.value = chosen(name, usual);
    if (!select.value) select.value = usual;
  };
  offer(options);
  select.addEventListener("change", () => keep(name, select.value, usual));
  return { select, offer, field: make("div", { class: "controls" }, make("label", { for: name }, words, select)) };
}

function inWords({ trials_by_column: { status } }) {
  const many = Object.keys(STATUSES).map(name => [STATUSES[name], status.filter(one => one === name).length]).filter(([, times]) => times);
  return many.length ? `${count(status.length, "trial")}: ${many.map(([words, times]) => `${number(times)} ${words}`).join(", ")}.` : "No trial has begun yet.";
}

function shownTiles({ objective, best, best_trial: trial, name, trials, max_trials: most, epochs, seconds, spec }) {
  const tile = (title, big, more) => make("li", {}, make("span", { class: "quiet" }, title), make("strong", {}, big), make("span", { class: "quiet" }, more));
  return [
    tile(objective ? metricName(objective.name) : "Objective", value(objective, best) || "–", trial ? link(toTrial(name, trial), trial) : "no trial can be promoted yet"),
    tile("Trials", number(trials), most ? `of ${number(most)}` : ""),
    tile("Epochs", number(epochs), spec ? `at most ${number(spec.max_epochs)} each` : ""),
    tile("Training", duration(seconds), "of all trials together"),
  ];
}

function drawProgress(holder, { progress, objective, name }, over) {
  if (!progress.best.length) return clear(holder, nothing("No trial has a value yet."));
  const xs = progress[over], last = progress.best.length - 1;
  const points = progress.best.flatMap((best, index) => index ? [[xs[index], progress.best[index - 1]], [xs[index], best]] : [[xs[index], best]]);
  const dots = progress.best.map((best, index) => ({ x: xs[index], y: best, class: "dot", trial: progress.trial[index], says: `${progress.trial[index]}: ${value(objective, best)} after ${number(xs[index])} ${OVER[over]}` })).filter((_, index) => !index || progress.trial[index] !== progress.trial[index - 1]);
  dots.at(-1).class = "best";
  return chart(holder, {
    x: { name: OVER[over], shown: number }, y: { shown: found => axisValue(objective, found) }, dots, lines: [{ class: "line", points }],
    says: `${metricName(objective.name)} of the best trial so far, over ${OVER[over]}: first ${value(objective, progress.best[0])}, now ${value(objective, progress.best[last])} by ${progress.trial[last]}`,
    open: dot => { open(toTrial(name, dot.trial)); },
  });
}

function drawCurves(holder, legend, { curves: { shown, others, band }, objective }) {
  if (!shown.length && !band.length) return clear(holder, legend.textContent = "", nothing("No trial has ended an epoch yet."));
  const points = values => values.map((found, index) => [index + 1, found]).filter(([, found]) => found !== null);
  const first = shown.filter(({ running }) => !running), live = shown.filter(({ running }) => running);
  const dots = live.flatMap(({ trial, values }) => points(values).slice(-1).map(([x, y]) => ({ x, y, class: "early", says: `${trial}, running: ${value(objective, y)} at epoch ${x}` })));
  legend.textContent = [
    first.length && `Lines: the best ${first.length}.`, band.length && `Band: 10 % to 90 % of the other ${number(others)}; dashed: their median.`,
    live.length && `Orange: ${count(live.length, "trial")} that train now.`].filter(Boolean).join(" ");
  return chart(holder, {
    x: { name: "epoch", whole: true, shown: number }, y: { shown: found => axisValue(objective, found) }, dots,
    lines: [{ class: "median", points: band.map(([epoch, , middle]) => [epoch, middle]) }, ...first.map(({ values }) => ({ class: "one", points: points(values) })), ...live.map(({ values }) => ({ class: "live", points: points(values) }))],
    area: band.map(([epoch, low, , high]) => [epoch, low, high]),
    says: `${metricName(objective.name)} by epoch of ${count(first.length, "best trial")}, ${live.length} that train now, and a band of ${count(others, "other")}`,
  });
}

function drawCosts(holder, marks, { trials_by_column: trials, objective, spec, name }, axis) {
  const values = axis.startsWith(":") ? trials.parameters[axis.slice(1)] || [] : trials[axis];
  const parameter = spec.parameters.find(one => `:${one.name}` === axis);
  const names = parameter && (parameter.parameter_type === "categorical" || parameter.feasible_space.list) ? parameter.feasible_space.list : undefined;
  const place = found => names ? names.findIndex(one => one === found || Number(one) === Number(found)) : Number(found);
  const rows = trials.trial.map((_, row) => row).filter(row => trials.value[row] !== null && values[row] !== null && values[row] !== undefined && (names ? place(values[row]) >= 0 : Number.isFinite(place(values[row]))));
  if (!rows.length) return clear(holder, marks.textContent = "", nothing("No trial has both yet."));
  const x = row => place(values[row]) + (names ? jitter(row) : 0), log = !names && rows.every(row => place(values[row]) > 0) && (!parameter || (parameter.feasible_space.distribution || "").startsWith("log"));
  const dots = rows.map(row => ({
    x: x(row), y: trials.value[row], trial: trials.trial[row],
    class: trials.rank[row] === 1 ? "best" : trials.rank[row] === null ? "lost" : trials.status[row] === "succeeded" ? "dot" : "early",
    says: `${trials.trial[row]}: ${value(objective, trials.value[row])}, ${parameter ? `${parameter.name} ${values[row]}` : `${number(values[row])} ${COSTS[axis].name}`}, ${count(trials.epochs[row], "epoch")}, ${STATUSES[trials.status[row]]}`,
  }));
  const front = parameter ? [] : frontOf(rows.filter(row => trials.rank[row] !== null), x, row => trials.value[row], better(objective));
  const most = parameter ? null : spec.budget[COSTS[axis].bound];
  marks.textContent = `Ringed: the best. Filled: trained to the end. Hollow: ended early. Dashed: not to be promoted.${front.length ? " Line: none is better and costs less." : ""} A click opens a trial; the table below has them all.`;
  return chart(holder, {
    x: { name: parameter ? parameter.name : COSTS[axis].name, log, names, shown: names ? index => names[index] : parameter ? number : short },
    y: { shown: found => axisValue(objective, found) }, dots,
    lines: front.length ? [{ class: "front", points: front.map(row => [x(row), trials.value[row]]) }] : [],
    bound: most && most < 20 * rows.reduce((largest, row) => Math.max(largest, x(row)), 0) ? { x: most, says: "budget" } : undefined,
    says: `${metricName(objective.name)} against ${parameter ? parameter.name : COSTS[axis].name} of ${count(rows.length, "trial")}${front.length ? `; ${front.length} of them are better than all that cost less` : ""}`,
    open: dot => { open(toTrial(name, dot.trial)); },
  });
}

/** So that equal choices do not hide each other: always the same for a row. */
const jitter = row => ((row * 0.61803) % 1 - 0.5) * 0.6;

/** Pareto's front: sorted by cost, each that is better than all before it. */
function frontOf(rows, cost, gain, isBetter) {
  const front = [];
  for (const row of [...rows].sort((a, b) => cost(a) - cost(b) || (isBetter(gain(a), gain(b)) ? -1 : 1))) {
    if (!front.length || isBetter(gain(row), gain(front.at(-1)))) front.push(row);
  }
  return front;
}

function columnsOf({ trials_by_column: trials, objective, name }) {
  const plain = (column, head, shown) => ({ name: column, head, at: row => trials[column][row], shown });
  const whole = found => found === null ? "" : number(found);
  return [
    { name: "trial", head: "Trial", at: row => trials.trial[row], shown: trial => link(toTrial(name, trial), trial) },
    plain("rank", "Rank", whole),
    plain("value", objective ? metricName(objective.name) : "Value", found => value(objective, found)),
    plain("status", "Status", status => badge(status)),
    plain("epochs", "Epochs", whole),
    plain("seconds", "Training", found => found ? duration(found) : ""),
    plain("params", "Parameters", whole),
    plain("macs", "Multiply-adds", found => found === null ? "" : short(found)),
    plain("latency_p50_ms", "Latency", found => found === null ? "" : milliseconds(found)),
    plain("onnx_bytes", "ONNX", found => found === null ? "" : bytes(found)),
    ...Object.keys(trials.parameters).map(parameter => ({ name: parameter, head: parameter, at: row => trials.parameters[parameter][row], shown: shownParameter })),
    { ...plain("reason", "Why it has no rank"), words: true },
    plain("key", "Key", key => key ? make("code", {}, key) : ""),
  ];
}

const shownParameter = found => found === null || found === undefined ? "" : found !== "" && Number.isFinite(Number(found)) ? number(Number(found)) : found;

function shownSpec({ algorithm, early_stopping: early, rungs, max_epochs: most, data, network, budget, parameters }) {
  const bounds = [budget.params && `${number(budget.params)} parameters`, budget.macs && `${number(budget.macs)} multiply-adds`, budget.latency_ms && milliseconds(budget.latency_ms)].filter(Boolean);
  const rows = parameters.map(({ name, feasible_space: space }) => make("tr", {}, make("th", { scope: "row" }, make("code", {}, name)), make("td", { class: "words" }, space.list ? space.list.join(", ") : `${space.min} to ${space.max}${space.distribution ? `, ${space.distribution}` : ""}`)));
  return [
    make("dl", { class: "facts" }, ...facts([
      ["Data", data], ["Network", make("code", {}, network)], ["Suggested by", algorithm], ["Early stopping", rungs.length ? `${early} at epochs ${rungs.join(", ")} of ${most}` : early],
      ["Budget", bounds.length ? `at most ${bounds.join(", ")}` : lower("None set")],
    ])),
    make("details", {}, make("summary", {}, `${count(parameters.length, "parameter")} of the search space`),
      make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "The search space" }, make("table", {}, make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Parameter"), make("th", { scope: "col" }, "Could be"))), make("tbody", {}, ...rows)))),
  ];
}
