/** Two trials, or two searches, beside each other: only what differs. */

import { chart } from "./charts.js";
import { at, count, make, metricName, number, score } from "./elements.js";
import { networkParts } from "./network.js";
import { OVER, stepsOf } from "./progress.js";
import { quiet, section, table } from "./parts.js";
import { PARTS as ROWS, confused } from "./quality.js";
import { chosen, keep, link, open, toCompare, toSearch, toTrial } from "./route.js";
import { columns } from "./unpacked.js";
import { axisValue, better, value } from "./words.js";

const PARTS = { spec: "What was asked", parameters: "Parameters", data: "Data", code: "Code", environment: "Environment", metrics: "Metrics", cost: "Cost" };

export function comparisonView(root, { a, b }) {
  const form = whichTwo(a, b), view = make("div", { class: "stacked" });
  root.replaceChildren(form.element, view);
  if (!a || !b) {
    return searches => {
      at("state").textContent = "Two searches, or two trials: a key, a name, or SEARCH/NAME.";
      form.offer(searches.map(({ name }) => name));
    };
  }
  return now => {
    at("state").textContent = now.differences.length ? `${count(now.differences.length, "difference")}.` : "Nothing differs.";
    view.replaceChildren(...(now.kind === "trials" ? twoTrials(now) : twoSearches({ ...now, a: withColumns(now.a), b: withColumns(now.b) })));
  };
}

const withColumns = search => ({ ...search, trials: columns(search.trials) });

/** A form that leads to the comparison of what is named in it; a file has one comparison alone. */
function whichTwo(a, b) {
  const list = make("datalist", { id: "searches" }), first = make("input", { id: "a", list: "searches", autocomplete: "off" }), second = make("input", { id: "b", list: "searches", autocomplete: "off" });
  [first.value, second.value] = [a, b];
  const element = make("form", { class: "controls" }, make("label", { class: "wide", for: "a" }, "First", first), make("label", { class: "wide", for: "b" }, "Second", second), make("button", {}, "Compare"), list);
  element.hidden = !link("#/", "").href;
  element.addEventListener("submit", event => {
    event.preventDefault();
    if (first.value && second.value) open(toCompare(first.value.trim(), second.value.trim()));
  });
  return { element, offer: names => list.replaceChildren(...names.map(name => make("option", { value: name }))) };
}

function twoTrials({ a, b, differences }) {
  const parts = [section("differs", "What differs", differing(a, b, differences, ({ search, trial, name }) => search ? link(toTrial(search, trial), name) : name))];
  if (a.network || b.network) parts.push(...[[a, b], [b, a]].map(([one, other], index) => section(`network-${index}`, `The network of ${one.name}`, ...(one.network ? networkParts(one.network, undefined, other.network) : [quiet("It has no bundle, so its network is not known.")]))));
  const names = [...new Set([a, b].flatMap(({ curve }) => curve.flatMap(epoch => Object.keys(epoch.metrics))))].sort();
  if (names.length) parts.push(overlaid("How they learned", "measure", "Show", names.map(name => [name, metricName(name)]), names.find(name => name === "val_accuracy") || names.find(name => name.startsWith("val_")) || names[0], [a, b], name => ({
    x: { name: "epoch", whole: true, shown: number }, y: { shown: found => axisValue({ name }, found) },
    points: ({ curve }) => curve.filter(({ metrics }) => metrics[name] !== undefined).map(({ epoch, metrics }) => [epoch, metrics[name]]),
    says: `${metricName(name)} by epoch of both`, shown: found => score(name, found),
  })));
  parts.push(...bothConfused(a, b));
  return parts;
}

/** What each takes for what, where both were promoted, on the same part of their rows. */
function bothConfused(a, b) {
  const rows = Object.keys(ROWS).find(part => [a, b].every(({ promoted }) => promoted?.report.quality[part]?.classes));
  if (!rows) return [];
  const block = ({ name, promoted }) => make("div", {}, make("h3", {}, name), ...confused(promoted.report.quality[rows], promoted));
  return [section("confused", "Taken for each other", quiet(`On ${[...new Set([a, b].map(({ promoted }) => ROWS[rows](promoted.report.folds)))].join(" and ")}, as promoted.`), make("div", { class: "blocks" }, block(a), block(b)))];
}

function twoSearches({ a, b, differences, restated, shared_trials: shared, at_equal_cost: equal, same_rows: same }) {
  const { objective } = a;
  const parts = [section("differs", "What differs", differing(a, b, differences, ({ name }) => link(toSearch(name), name)), restated.length ? quiet(`Written otherwise, with the same meaning: ${restated.join(", ")}.`) : null)];
  if (equal.length) {
    parts.push(overlaid("The best so far", "over", "Over", Object.entries(OVER), "epochs", [a, b], over => ({
      x: { name: OVER[over], shown: number }, y: { shown: found => axisValue(objective, found) },
      points: ({ trials }) => stairs(stepsOf(trials, trials.trial.map((_, row) => row), better(objective), over)), says: `The best ${metricName(objective.name)} so far of both, over ${OVER[over]}`, shown: found => value(objective, found),
    })));
    parts.push(section("equal", "The best at equal cost",
      quiet(`${metricName(objective.name)} on ${same ? "the same" : "different"} validation rows, of the best epoch of any trial after so many trained ones; reused ones count.`),
      table("Table of the best at equal cost", ["Epochs", a.name, b.name], equal.map(one => [number(one.epochs), value(objective, one.a), value(objective, one.b)]))));
  }
  parts.push(section("shared", "Trials that both have", shared.length ? table("Table of shared trials", ["Key", a.name, b.name], shared.map(one => [make("code", {}, one.key), link(toTrial(a.name, one.a), one.a), link(toTrial(b.name, one.b), one.b)])) : quiet("None.")));
  return parts;
}

const stairs = steps => steps.flatMap(({ at: reached, best }, index) => index ? [[reached, steps[index - 1].best], [reached, best]] : [[reached, best]]);

function differing(a, b, differences, linked) {
  if (!differences.length) return quiet("Nothing.");
  const rows = Object.entries(PARTS).flatMap(([part, title]) => {
    const some = differences.filter(one => one.part === part);
    return some.length ? [[make("strong", {}, title)], ...some.map(one => [make("code", {}, one.name), one.change, ...words(one.a, one.b)])] : [];
  });
  const names = [["First", a], ["Second", b]].map(([short, one]) => make("span", { "data-short": short }, linked(one)));  // as in the form
  return table("Table of what differs", ["", "Change", ...names], rows, names);
}

/** Both as lines in one chart, of what is chosen; each dot says what it is of. */
function overlaid(title, name, label, options, usual, both, described) {
  const holder = make("div", { class: "holder" }), select = make("select", { id: name });
  select.replaceChildren(...options.map(([option, text]) => make("option", { value: option }, text)));
  select.value = usual;
  if (options.some(([option]) => option === chosen(name))) select.value = chosen(name);
  const paint = () => {
    const { x, y, points, says, shown } = described(select.value), lines = both.map(points);
    const dots = lines.flatMap((line, index) => line.slice(-1).map(([right, up]) => ({ x: right, y: up, class: index ? "second" : "dot", says: `${both[index].name}: ${shown(up)} at last` })));
    if (dots.length) chart(holder, { x, y, dots, lines: lines.map((line, index) => ({ class: index ? "live" : "line", points: line })), says: `${says}: ${dots.map(dot => dot.says).join("; ")}` });
  };
  select.addEventListener("change", () => {
    keep(name, select.value, usual);
    paint();
  });
  requestAnimationFrame(paint);  // once it has a width
  return section(name, title, make("div", { class: "controls" }, make("label", { for: name }, label, select)), holder, make("p", { class: "quiet legend" }, make("span", { class: "key" }, both[0].name), make("span", { class: "key running" }, both[1].name)));
}

/** Both values, with as many digits as tell them apart. */
function words(a, b) {
  const both = [inWords(a), inWords(b)];
  return both[0] === both[1] ? [String(a), String(b)] : both;
}

function inWords(found) {
  if (found === null || found === undefined) return "";
  if (typeof found === "number") return number(found);
  if (Array.isArray(found)) return found.map(inWords).join(", ");
  if (typeof found !== "object") return /^[0-9a-f]{64}$/.test(found) ? `${found.slice(0, 16)}…` : String(found);
  const { parameterType: kind, min, max, ...rest } = found;
  return [kind, min !== undefined && max !== undefined && `${inWords(min)} to ${inWords(max)}`, ...Object.entries(rest).map(([name, inner]) => `${name} ${inWords(inner)}`)].filter(Boolean).join(" ");
}
