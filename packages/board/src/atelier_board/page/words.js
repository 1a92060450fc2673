/** How things of a search are said. */

import { make, number, percent, score } from "./elements.js";

export const STATUSES = {
  succeeded: "trained to the end", paused: "ended early", stopped: "stopped on request", running: "running", over_budget: "over budget",
  failed: "failed", refused: "refused", waiting: "not started", damaged: "damaged",
};

export const STATES = { running: "running", ended: "ended", unfinished: "unfinished", unreadable: "unreadable" };

export const badge = (kind, words = STATUSES[kind] || kind) => make("span", { class: `status ${kind}` }, words);

export function duration(seconds) {
  if (seconds < 60) return `${number(Math.round(seconds))} s`;
  if (seconds < 3600) return `${number(Math.round(seconds / 60))} min`;
  return `${number(Number((seconds / 3600).toPrecision(3)))} h`;
}

export const value = (objective, found) => found === null || found === undefined || !objective ? "" : score(objective.name, found);

export const axisValue = (objective, found) => /(accuracy|f1)$/.test(objective.name) ? percent(found).replace(/\.0 %$/, " %") : number(found);

export const better = objective => objective.type === "minimize" ? (a, b) => a < b : (a, b) => a > b;
