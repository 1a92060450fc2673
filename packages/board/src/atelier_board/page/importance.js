/**
 * Which parameters mattered: PED-ANOVA (Watanabe, Bansal and Hutter 2023, arXiv:2304.10255), over all trials that reached an epoch.
 *
 * It compares where the best tenth lies with where all of them lie, by Pearson's divergence of their densities, parameter by parameter;
 * densities are kernel estimates with Scott's bandwidth on a grid. Trials that halving ended early count at the epochs that they have.
 */

import { count, make, percent } from "./elements.js";
import { axisOf } from "./space.js";
import { better } from "./words.js";

const QUANTILE = 0.1, GRID = 50, FEW = 5;

/** Epochs that importance can be asked at, with the number of trials that reached them: rungs, and the last one. */
export function epochsOf({ spec, length, curve }) {
  const reached = epoch => Array.from({ length }, (_, row) => row).filter(row => !Number.isNaN(curve(row)[epoch - 1] ?? NaN)).length;
  return [...new Set([...spec.rungs, spec.max_epochs])].map(epoch => [epoch, reached(epoch)]).filter(([, many]) => many);
}

/** The latest epoch at which the best tenth is not too few; else the first. */
export const usualEpoch = epochs => (epochs.findLast(([, many]) => many * QUANTILE >= FEW) || epochs[0] || [""])[0];

export function drawImportance(list, note, told, { rows }, epoch) {
  const { parameters, all, top } = importance(told, rows, epoch);
  const widest = parameters.reduce((most, { share }) => Math.max(most, share), 0);
  list.replaceChildren(...parameters.map(({ name, share }) => {
    const bar = make("i");
    bar.style.width = `${widest ? 100 * share / widest : 0}%`;
    return make("li", {}, make("span", { title: name }, make("code", {}, name)), make("span", { class: "track", "aria-hidden": true }, bar), make("span", {}, percent(share)));
  }));
  if (!parameters.length) note.textContent = "No two trials reached this epoch.";
  else note.textContent = `PED-ANOVA of ${count(all, "trial")} at epoch ${epoch}: what told the best ${top} from the others.${top < FEW ? " That is too few to rely on." : ""} It says what mattered in this search, not in every one.`;
}

/** Shares that add up to 1, the largest first, and how many trials they are from. */
export function importance({ spec, trials, curve, objective }, rows, epoch) {
  const at = row => curve(row)[epoch - 1] ?? NaN, isBetter = better(objective);
  const all = rows.filter(row => !Number.isNaN(at(row))).sort((a, b) => isBetter(at(a), at(b)) ? -1 : isBetter(at(b), at(a)) ? 1 : 0);
  if (all.length < 2) return { parameters: [], all: all.length, top: 0 };
  const last = at(all[Math.ceil(QUANTILE * all.length) - 1]), top = all.filter(row => !isBetter(last, at(row)));
  const found = spec.parameters.map(parameter => {
    const axis = gridOf(parameter), values = trials.parameters[parameter.name] || [];
    const cells = which => which.map(row => axis.cell(values[row])).filter(cell => !Number.isNaN(cell));
    const [inTop, inAll] = [cells(top), cells(all)];
    if (axis.size < 2 || !inTop.length || inAll.length < 2) return { name: parameter.name, share: 0 };
    return { name: parameter.name, share: (inTop.length / top.length) ** 2 / (inAll.length / all.length) * divergence(axis, inTop, inAll) };
  });
  const sum = found.reduce((total, { share }) => total + share, 0);
  const shares = found.map(({ name, share }) => ({ name, share: sum ? share / sum : 1 / found.length }));
  return { parameters: shares.sort((a, b) => b.share - a.share), all: all.length, top: top.length };
}

/** {size, names, cell}: cells of equal width between the bounds of a number, or one for each choice. */
function gridOf(parameter) {
  const axis = axisOf(parameter), { parameter_type: kind, feasible_space: { step } } = parameter;
  if (axis.names) return { size: axis.names.length, names: true, cell: axis.place };
  const turn = axis.log ? Math.log : value => value, low = turn(axis.low), span = turn(axis.high) - low;
  const each = Number(step) || (kind === "int" ? 1 : 0), whole = each && Math.round((axis.high - axis.low) / each) + 1;
  const size = Math.min(GRID, axis.log && kind === "int" ? Math.ceil(Math.log2(axis.high - axis.low + 1)) + 1 : axis.log ? GRID : whole || GRID);
  return { size, names: false, cell: found => Number.isNaN(axis.place(found)) ? NaN : Math.min(size - 1, Math.max(0, Math.ceil((turn(axis.place(found)) - low) / span * (size - 1) - 0.5))) };
}

function divergence({ size, names }, inTop, inAll) {
  const density = names ? ofChoices : ofNumbers, [top, all] = [inTop, inAll].map(cells => density(countsOf(cells, size), cells.length));
  return top.reduce((sum, found, cell) => sum + (all[cell] + 1e-12) * ((found + 1e-12) / (all[cell] + 1e-12) - 1) ** 2, 0);
}

function countsOf(cells, size) {
  const counts = Array(size).fill(0);
  for (const cell of cells) counts[cell] += 1;
  return counts;
}

/** Choices, each smoothed towards the others by as much as there are few different ones; one more trial is anywhere. */
function ofChoices(counts, many) {
  const smooth = 1 / (counts.filter(Boolean).length + 1);
  return counts.map(times => ((many * smooth + times) / (1 + counts.length * smooth) + 1 / counts.length) / (many + 1));
}

/** A mixture of normal densities, cut off at the ends of the grid, one around each trial; one more trial is anywhere. */
function ofNumbers(counts, many) {
  const size = counts.length, cells = counts.map((_, cell) => cell).filter(cell => counts[cell]), wide = bandwidth(counts, cells, many);
  const kernels = [...cells.map(cell => [cell, wide, counts[cell]]), [(size - 1) / 2, size, 1]];
  const density = Array(size).fill(0);
  for (const [middle, deviation, weight] of kernels) {
    const below = edge => normal((edge - 0.5 - middle) / deviation), whole = below(size) - below(0);
    for (let cell = 0; cell < size; cell += 1) density[cell] += weight / (many + 1) * (below(cell + 1) - below(cell)) / whole;
  }
  return density;
}

/** Scott's rule, with the distance of quartiles where that is less; no less than a cell. */
function bandwidth(counts, cells, many) {
  const mean = cells.reduce((sum, cell) => sum + cell * counts[cell], 0) / many;
  const deviation = Math.sqrt(cells.reduce((sum, cell) => sum + counts[cell] * (cell - mean) ** 2, 0) / Math.max(1, many - 1));
  let before = 0;
  const sums = cells.map(cell => before += counts[cell]);
  const lower = sums.findIndex(sum => sum >= Math.floor(many / 4)), upper = sums.findIndex(sum => sum > Math.floor(many * 3 / 4));
  const quartiles = cells[upper < 0 ? cells.length - 1 : upper] - cells[lower];
  return Math.max(1.059 * Math.min(quartiles / 1.34, deviation) * many ** -0.2, 0.5 / 1.64);
}

/** The share of a normal distribution below x, by the series of the error function. */
function normal(x) {
  const z = x / Math.SQRT2;
  if (Math.abs(z) > 4) return z > 0 ? 1 : 0;
  let term = z, sum = z;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum) && n < 200; n += 1) {
    term *= -z * z / n;
    sum += term / (2 * n + 1);
  }
  return 0.5 + sum / Math.sqrt(Math.PI);
}
