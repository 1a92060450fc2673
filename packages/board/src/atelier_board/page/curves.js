/** How trials learned: curves of the best and of those that train now, and a band of the others. */

import { chart, clear } from "./charts.js";
import { count, make, metricName, number } from "./elements.js";
import { axisValue, value } from "./words.js";

const BEST = 20;

export function drawCurves(holder, legend, { trials, curve, objective }, { rows }) {
  const learned = rows.filter(row => curve(row).length);
  if (!learned.length) return clear(holder, legend.textContent = "", make("p", { class: "quiet" }, "No trial has ended an epoch yet."));
  const live = learned.filter(row => trials.status[row] === "running"), ended = learned.filter(row => trials.status[row] !== "running");
  const first = ended.filter(row => trials.rank[row] !== null).sort((a, b) => trials.rank[a] - trials.rank[b]).slice(0, BEST), isFirst = new Set(first);
  const others = ended.filter(row => !isFirst.has(row)), band = bandOf(others.map(curve));
  const points = row => Array.from(curve(row), (found, index) => [index + 1, found]).filter(([, found]) => !Number.isNaN(found));
  const dots = live.flatMap(row => points(row).slice(-1).map(([x, y]) => ({ x, y, class: "early", says: `${trials.trial[row]}, running: ${value(objective, y)} at epoch ${x}` })));
  for (const row of first) {
    const [only, ...more] = points(row);  // a line of one epoch cannot be seen
    if (only && !more.length) dots.push({ x: only[0], y: only[1], class: "dot", says: `${trials.trial[row]}: ${value(objective, only[1])} at epoch ${only[0]}` });
  }
  legend.textContent = [
    first.length && `Lines: the best ${first.length}.`, band.length && `Band: 10 % to 90 % of the other ${number(others.length)}; dashed: their median.`,
    live.length && `Orange: ${count(live.length, "trial")} that train now.`].filter(Boolean).join(" ");
  return chart(holder, {
    x: { name: "epoch", whole: true, shown: number }, y: { shown: found => axisValue(objective, found) }, dots,
    lines: [{ class: "median", points: band.map(([epoch, , middle]) => [epoch, middle]) }, ...first.map(row => ({ class: "one", points: points(row) })), ...live.map(row => ({ class: "live", points: points(row) }))],
    area: band.map(([epoch, low, , high]) => [epoch, low, high]),
    says: `${metricName(objective.name)} by epoch of ${count(first.length, "best trial")}, ${live.length} that train now, and a band of ${count(others.length, "other")}`,
  });
}

/** Epoch, tenth, middle and ninetieth percentile, for every epoch that more than one reached. */
function bandOf(curves) {
  const most = curves.reduce((longest, one) => Math.max(longest, one.length), 0), band = [];
  for (let epoch = 0; epoch < most; epoch += 1) {
    const values = Float64Array.from(curves.filter(one => !Number.isNaN(one[epoch] ?? NaN)), one => one[epoch]).sort();
    if (values.length > 1) band.push([epoch + 1, ...[0.1, 0.5, 0.9].map(share => between(values, share * (values.length - 1)))]);
  }
  return band;
}

const between = (values, at) => values[Math.floor(at)] + (values[Math.ceil(at)] - values[Math.floor(at)]) * (at % 1);
