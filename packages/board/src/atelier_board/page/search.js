/** One search on one page: how the best value came about, what decided it and what it cost, and every trial. */

import { COSTS, drawCosts } from "./costs.js";
import { drawCurves } from "./curves.js";
import { at, bytes, count, facts, lower, make, metricName, milliseconds, number, short } from "./elements.js";
import { bounded, matching } from "./filter.js";
import { drawHalving } from "./halving.js";
import { drawImportance, epochsOf, usualEpoch } from "./importance.js";
import { drawParallel } from "./parallel.js";
import { headed, quiet, scrolled, section as plain } from "./parts.js";
import { OVER, drawProgress } from "./progress.js";
import { addressOf, chosen, has, keep, link, toTrial } from "./route.js";
import { drawSeen } from "./seen.js";
import { slicesView } from "./slices.js";
import { tableView } from "./table.js";
import { drawTimeline } from "./timeline.js";
import { unpacked } from "./unpacked.js";
import { STATES, STATUSES, badge, duration, value } from "./words.js";

export function searchView(root, { search }) {
  const tiles = make("ul", { class: "tiles", "aria-label": "In short" }), problem = make("p", { class: "notice wrong", role: "alert", hidden: true });
  const [progress, curves, costs, parallel, timeline] = Array.from({ length: 5 }, () => make("div", { class: "holder" }));
  const [learned, marks, mattered, halved, worked] = Array.from({ length: 5 }, () => make("p", { class: "quiet legend" }));
  const slices = make("div", { class: "slices" }), bars = make("ul", { class: "bars wide" }), rungs = make("tbody"), table = make("div"), asked = make("div");
  const over = choice("over", "Over"), axis = choice("x", "Against"), epoch = choice("rung", "At epoch");
  const field = make("input", { id: "find", autocomplete: "off", spellcheck: "false", placeholder: "lr<0.01 res3" }), found = make("span", { role: "status" });
  const crosses = make("div", { class: "scroll wide", tabindex: 0, role: "region", "aria-label": "Parallel coordinates" }, parallel);
  const views = [
    make("div", { class: "pair" }, section("progress", "The best so far", over.field, progress), section("curves", "How they learned", curves, learned)),
    section("costs", "The objective against costs and parameters", axis.field, costs, marks),
    section("parallel", "All parameters at once", quiet("Orange: the best. A drag along an axis shows only trials within it, in every view, and a click there lifts that; the search field does the same."), crosses),
    section("slices", "The objective against each parameter", slices),
    make("div", { class: "pair" },
      section("importance", "Which parameters mattered", epoch.field, bars, mattered),
      section("halving", "Was ending trials early right", scrolled("Order of trials at rungs", headed("Rung", "Reached it", "Went on", "Correlation", "The best there"), rungs), halved)),
    section("timeline", "When they trained", timeline, worked),
  ], wanted = section("asked", "What was searched", asked);
  root.replaceChildren(problem, tiles,
    make("div", { class: "controls find" }, make("label", { class: "wide", for: "find" }, "Find trials by words, or bounds as in lr<0.01 or op=res3|sep5: every view shows only these", field), found),
    ...views, section("trials", "Every trial", table), wanted);
  const file = `${addressOf({ search })}/report.html`, csv = `${addressOf({ search })}/trials.csv`;
  const showTable = tableView(table, "Table of trials", search, has(csv) ? [make("a", { href: csv, download: `${search}.csv` }, "Download all as CSV")] : []);
  const showSlices = slicesView(slices);
  let told, columns, shown;

  const choose = (name, words) => {
    field.value = bounded(field.value, name, words);
    find();
  };
  const drawn = {
    progress: [progress, () => drawProgress(progress, told, shown, over.select.value)],
    curves: [curves, () => drawCurves(curves, learned, told, shown)],
    costs: [costs, () => drawCosts(costs, marks, told, shown, axis.select.value)],
    parallel: [parallel, () => drawParallel(parallel, told, shown, field.value, choose)],
    importance: [bars, () => drawImportance(bars, mattered, told, shown, Number(epoch.select.value))],
    halving: [halved, () => drawHalving(rungs, halved, told, shown)],
    timeline: [timeline, () => drawTimeline(timeline, worked, told, shown)],
  };
  const redraw = name => told.objective && drawSeen(...drawn[name]);
  for (const [{ select }, name] of [[over, "progress"], [axis, "costs"], [epoch, "importance"]]) select.addEventListener("change", () => redraw(name));
  const showFound = () => {
    shown = matching(columns, told.length, field.value);
    found.textContent = `${count(shown.rows.length, "trial")}${shown.rows.length < told.length ? `, found among ${number(told.length)}` : ""}`;
    if (told.objective) {
      Object.keys(drawn).forEach(redraw);
      showSlices(told, shown);
    }
    showTable({ columns, rows: shown.rows });
  };
  const find = () => {
    keep("find", field.value);
    keep("page", 1, 1);
    if (told) showFound();
  };
  field.addEventListener("input", find);
  field.addEventListener("keydown", event => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    table.querySelector("tbody a")?.focus();  // dozens of other stops lie between
  });
  return now => {
    const first = !told;
    told = unpacked(now);
    columns = columnsOf(told);
    if (document.activeElement !== field) field.value = chosen("find");
    at("state").replaceChildren(badge(now.state, STATES[now.state]), ` ${inWords(told)} `, now.has_report && has(file) ? make("a", { href: file }, "Its report as one file") : "");
    problem.hidden = !now.problem;
    problem.textContent = now.problem || "";
    tiles.replaceChildren(...shownTiles(now));
    if (now.objective) {
      const epochs = epochsOf(told);
      over.offer(Object.entries(OVER), "trials");
      axis.offer([...Object.entries(COSTS).map(([name, { name: words }]) => [name, words]), ...now.spec.parameters.map(({ name }) => [`:${name}`, name])], "params");
      epoch.offer(epochs.map(([number, many]) => [String(number), `${number} (${count(many, "trial")})`]), String(usualEpoch(epochs)));
      epoch.field.hidden = !epochs.length;
    }
    for (const view of [...views, wanted]) view.hidden = !now.objective;  // of a search that cannot be read itself
    showFound();
    asked.replaceChildren(...(now.spec ? shownSpec(now.spec) : []));
    if (first && chosen("view")) at(`${chosen("view")}-title`)?.scrollIntoView();
  };
}

/** A part of the page, with a link that leads to it. */
function section(id, title, ...content) {
  const here = make("button", { type: "button", class: "here", "aria-label": `Link to: ${title}`, title: "Keep this part in the page's address" }, "#");
  here.onclick = () => {
    keep("view", id);
    here.scrollIntoView();
  };
  return plain(id, title, here, ...content);
}

/** A choice that the address keeps. */
function choice(name, words) {
  const select = make("select", { id: name });
  let offered = "", usual = "";
  const offer = (options, otherwise) => {
    usual = otherwise;
    if (offered === String(options)) return;
    const before = select.value;
    offered = String(options);
    select.replaceChildren(...options.map(([value, text]) => make("option", { value }, text)));
    for (const value of [usual, before, chosen(name)]) if (value && options.some(([one]) => one === value)) select.value = value;
  };
  select.addEventListener("change", () => keep(name, select.value, usual));
  return { select, offer, field: make("div", { class: "controls" }, make("label", { for: name }, words, select)) };
}

function inWords({ trials: { status } }) {
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

function columnsOf({ trials, objective, name }) {
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
    { ...plain("note", "Note"), words: true },
    plain("key", "Key", key => key ? make("code", {}, key) : ""),
  ];
}

const shownParameter = found => found === null || found === undefined ? "" : found !== "" && Number.isFinite(Number(found)) ? number(Number(found)) : found;

function shownSpec({ algorithm, early_stopping: early, rungs, max_epochs: most, keep_weights: weights, data, network, budget, parameters }) {
  const bounds = [budget.params && `${number(budget.params)} parameters`, budget.macs && `${number(budget.macs)} multiply-adds`, budget.latency_ms && milliseconds(budget.latency_ms)].filter(Boolean);
  const rows = parameters.map(({ name, feasible_space: space }) => make("tr", {}, make("th", { scope: "row" }, make("code", {}, name)), make("td", { class: "words" }, space.list ? space.list.join(", ") : `${space.min} to ${space.max}${space.distribution ? `, ${space.distribution}` : ""}`)));
  return [
    make("dl", { class: "facts" }, ...facts([
      ["Data", data], ["Network", make("code", {}, network)], ["Suggested by", algorithm], ["Early stopping", rungs.length ? `${early} at epochs ${rungs.join(", ")} of ${most}` : early],
      ["Weights", `of a trial's ${weights} epoch`],
      ["Budget", bounds.length ? `at most ${bounds.join(", ")}` : lower("None set")],
    ])),
    make("details", {}, make("summary", {}, `${count(parameters.length, "parameter")} of the search space`), scrolled("The search space", headed("Parameter", "Could be"), make("tbody", {}, ...rows))),
  ];
}
