/** The objective against a cost or a parameter, one dot for each trial; against a cost with Pareto's front. */

import { chart, clear } from "./charts.js";
import { count, make, metricName, number, short } from "./elements.js";
import { open, toTrial } from "./route.js";
import { axisOf } from "./space.js";
import { STATUSES, axisValue, better, value } from "./words.js";

export const COSTS = {
  params: { name: "parameters", bound: "params" }, macs: { name: "multiply-adds", bound: "macs" },
  latency_p50_ms: { name: "milliseconds for an example", bound: "latency_ms" }, onnx_bytes: { name: "bytes of ONNX" },
};

export function drawCosts(holder, marks, told, { rows }, axis) {
  const parameter = told.spec.parameters.find(one => `:${one.name}` === axis);
  const described = parameter ? againstParameter(told, rows, parameter) : againstCost(told, rows, axis);
  if (!described) return clear(holder, marks.textContent = "", make("p", { class: "quiet" }, "No trial has both yet."));
  marks.textContent = `Ringed: the best. Filled: trained to the end. Hollow: ended early. Dashed: not to be promoted.${described.lines ? " Line: none is better and costs less." : ""} A click opens a trial; the table below has them all.`;
  return chart(holder, described);
}

/** The chart of the objective against a parameter; nothing if no trial has both. */
export function againstParameter(told, rows, parameter) {
  const axis = axisOf(parameter), values = told.trials.parameters[parameter.name] || [];
  const at = row => axis.place(values[row]), known = rows.filter(row => told.trials.value[row] !== null && !Number.isNaN(at(row)));
  if (!known.length) return undefined;
  const x = row => at(row) + (axis.names ? jitter(row) : 0);
  return {
    ...scattered(told, known, x, row => `${parameter.name} ${values[row]}`),
    x: { name: parameter.name, log: axis.log && known.every(row => at(row) > 0), names: axis.names, shown: axis.names ? index => axis.names[index] : number },
    says: `${metricName(told.objective.name)} against ${parameter.name} of ${count(known.length, "trial")}`,
  };
}

function againstCost(told, rows, axis) {
  const { trials, objective, spec } = told, cost = COSTS[axis], x = row => trials[axis][row];
  const known = rows.filter(row => trials.value[row] !== null && x(row) !== null);
  if (!known.length) return undefined;
  const front = frontOf(known.filter(row => trials.rank[row] !== null), x, row => trials.value[row], better(objective));
  const most = spec.budget[cost.bound], largest = known.reduce((found, row) => Math.max(found, x(row)), 0);
  return {
    ...scattered(told, known, x, row => `${number(x(row))} ${cost.name}`),
    x: { name: cost.name, log: known.every(row => x(row) > 0), shown: short },
    lines: front.length ? [{ class: "front", points: front.map(row => [x(row), trials.value[row]]) }] : undefined,
    bound: most && most < 20 * largest ? { x: most, says: "budget" } : undefined,
    says: `${metricName(objective.name)} against ${cost.name} of ${count(known.length, "trial")}${front.length ? `; ${front.length} of them are better than all that cost less` : ""}`,
  };
}

const scattered = ({ trials, objective, name }, rows, x, where) => ({
  y: { shown: found => axisValue(objective, found) },
  dots: rows.map(row => ({
    x: x(row), y: trials.value[row], trial: trials.trial[row],
    class: trials.rank[row] === 1 ? "best" : trials.rank[row] === null ? "lost" : trials.status[row] === "succeeded" ? "dot" : "early",
    get says() {  // of thousands, those alone that are pointed at
      return `${trials.trial[row]}: ${value(objective, trials.value[row])}, ${where(row)}, ${count(trials.epochs[row], "epoch")}, ${STATUSES[trials.status[row]]}`;
    },
  })),
  open: dot => open(toTrial(name, dot.trial)),
});

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
