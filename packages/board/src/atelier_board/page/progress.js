/** The best value so far: over trials that ended, epochs trained or hours of training. */

import { chart, clear } from "./charts.js";
import { make, metricName, number } from "./elements.js";
import { open, toTrial } from "./route.js";
import { axisValue, better, value } from "./words.js";

export const OVER = { trials: "trials that ended", epochs: "epochs trained", hours: "hours of training" };

export function drawProgress(holder, { trials, inTime, objective, name }, { has }, over) {
  const steps = stepsOf(trials, inTime.filter(row => has[row]), better(objective), over);
  if (!steps.length) return clear(holder, make("p", { class: "quiet" }, "No trial has a value yet."));
  const dots = steps.filter((step, index) => !index || step.row !== steps[index - 1].row).map(({ at, best, row }) => ({
    x: at, y: best, class: "dot", trial: trials.trial[row], says: `${trials.trial[row]}: ${value(objective, best)} after ${number(at)} ${OVER[over]}`,
  }));
  dots.at(-1).class = "best";
  const points = steps.flatMap(({ at, best }, index) => index ? [[at, steps[index - 1].best], [at, best]] : [[at, best]]);
  return chart(holder, {
    x: { name: OVER[over], whole: over !== "hours", shown: number }, y: { shown: found => axisValue(objective, found) }, dots, lines: [{ class: "line", points }],
    says: `${metricName(objective.name)} of the best trial so far, over ${OVER[over]}: first ${value(objective, steps[0].best)}, now ${value(objective, steps.at(-1).best)} by ${dots.at(-1).trial}`,
    open: dot => open(toTrial(name, dot.trial)),
  });
}

/** Where the best value changed, and the last end: {at, best, row}. */
export function stepsOf(trials, rows, isBetter, over) {
  const steps = [], reached = { trials: 0, epochs: 0, hours: 0 };
  let best, of;
  for (const row of rows) {
    reached.trials += 1;
    reached.epochs += trials.epochs[row];
    reached.hours += trials.seconds[row] / 3600;
    const found = trials.value[row], gains = found !== null && (best === undefined || isBetter(found, best));
    if (gains) [best, of] = [found, row];
    if (best !== undefined && (gains || row === rows.at(-1))) steps.push({ at: reached[over], best, row: of });
  }
  return steps;
}
