/** Was halving right: how well the order of trials at a rung is that at the next, and where the final best stood. */

import { make, number } from "./elements.js";
import { better } from "./words.js";

const BEST = 5;

export function drawHalving(body, note, { spec, curve, objective }, { rows }) {
  const isBetter = better(objective), at = (row, epoch) => curve(row)[epoch - 1] ?? NaN;
  const reached = epoch => rows.filter(row => !Number.isNaN(at(row, epoch)));
  const order = (some, epoch) => [...some].sort((a, b) => isBetter(at(a, epoch), at(b, epoch)) ? -1 : isBetter(at(b, epoch), at(a, epoch)) ? 1 : 0);
  const epochs = [...spec.rungs, spec.max_epochs].filter(epoch => reached(epoch).length), last = epochs.at(-1);
  const best = last === undefined ? [] : order(reached(last), last).slice(0, BEST);
  body.replaceChildren(...epochs.slice(0, -1).map((epoch, index) => {
    const next = epochs[index + 1], both = reached(next).filter(row => !Number.isNaN(at(row, epoch))), ordered = order(reached(epoch), epoch);
    const found = spearman(both.map(row => at(row, epoch)), both.map(row => at(row, next)));
    return make("tr", {}, make("th", { scope: "row" }, `epoch ${epoch}`), ...[
      number(ordered.length), `${number(both.length)} to epoch ${next}`, found === undefined ? "too few" : found.toFixed(2), best.map(row => ordered.indexOf(row) + 1).filter(Boolean).join(", "),
    ].map(words => make("td", {}, words)));
  }));
  note.textContent = epochs.length < 2
    ? `${spec.rungs.length ? "No trial has gone past a rung yet." : "Trials of this search are not ended early at rungs."}`
    : `Spearman's rank correlation: 1 is the same order, 0 is none. It is of the trials that went on, so of the better ones; how those that were ended would have gone on is not known. The best are those at epoch ${last}.`;
  body.closest(".scroll").hidden = epochs.length < 2;
}

/** Spearman's rank correlation, where equal values share their ranks; undefined of fewer than three, or if all are equal. */
export function spearman(a, b) {
  if (a.length < 3) return undefined;
  const [one, other] = [ranks(a), ranks(b)], middle = (a.length - 1) / 2;
  const product = (x, y) => x.reduce((sum, rank, index) => sum + (rank - middle) * (y[index] - middle), 0);
  const spread = Math.sqrt(product(one, one) * product(other, other));
  return spread ? product(one, other) / spread : undefined;
}

function ranks(values) {
  const order = values.map((_, index) => index).sort((a, b) => values[a] - values[b]), found = Array(values.length);
  for (let first = 0; first < order.length;) {
    let after = first + 1;
    while (after < order.length && values[order[after]] === values[order[first]]) after += 1;
    for (let place = first; place < after; place += 1) found[order[place]] = (first + after - 1) / 2;
    first = after;
  }
  return found;
}
