/** Who trained when: a bar for each time that a trial was at work, on the first worker that was free. */

import { scale } from "./charts.js";
import { count, draw, make, number } from "./elements.js";
import { open, toTrial } from "./route.js";
import { STATUSES, duration } from "./words.js";

const LEFT = 30, RIGHT = 16, ROW = 14, FOOT = 40;

export function drawTimeline(holder, legend, { trials, spans, name }, { has }) {
  const began = spans.reduce((first, { from }) => Math.min(first, from), Infinity), ended = spans.reduce((last, { to }) => Math.max(last, to), 0), long = ended - began;
  const lanes = lanesOf(spans, long * 2 / 65534), shown = lanes.flatMap((lane, index) => lane.filter(({ row }) => has[row]).map(span => ({ ...span, lane: index })));
  legend.textContent = "";
  if (!shown.length) return holder.replaceChildren(make("p", { class: "quiet" }, "No trial has ended an epoch yet."));
  const width = Math.max(240, holder.clientWidth), bottom = lanes.length * ROW + 8;
  const [unit, size] = long > 2 * 86400 ? ["days", 86400] : long > 2 * 3600 ? ["hours", 3600] : long > 120 ? ["minutes", 60] : ["seconds", 1];
  const across = scale([0, long / size], LEFT, width - RIGHT, {}), x = moment => across((moment - began) / size);
  const bars = Object.keys(STATUSES).map(status => [status, shown.filter(({ row }) => trials.status[row] === status)]).filter(([, some]) => some.length);
  const says = `${count(shown.length, "time")} that trials were at work, on ${count(lanes.length, "worker")}, over ${duration(long)}`;
  const words = draw("title", {}), drawn = draw("svg", { class: "chart opens timeline", viewBox: `0 0 ${width} ${bottom + FOOT}`, width, height: bottom + FOOT, role: "img", "aria-label": says },
    words,
    across.ticks.filter(tick => tick >= 0).flatMap(tick => [draw("line", { class: "grid", x1: across(tick), x2: across(tick), y1: 0, y2: bottom }), draw("text", { class: "tick", x: across(tick), y: bottom + 16, "text-anchor": "middle" }, number(tick))]),
    lanes.map((_, lane) => lanes.length < 30 ? draw("text", { class: "tick", x: LEFT - 8, y: lane * ROW + 12, "text-anchor": "end" }, String(lane + 1)) : null),
    draw("text", { class: "name", x: width - RIGHT, y: bottom + FOOT - 6, "text-anchor": "end" }, `${unit} since the first trial began`),
    bars.map(([status, some]) => draw("path", { class: `work ${status}`, d: some.map(({ from, to, lane }) => `M${x(from).toFixed(1)} ${lane * ROW + 8}h${Math.max(0.6, x(to) - x(from) - 0.6).toFixed(1)}`).join("") })));
  const under = event => {
    const box = drawn.getBoundingClientRect(), [right, down] = [event.clientX - box.left, event.clientY - box.top];
    return shown.find(({ from, to, lane }) => Math.floor((down - 1) / ROW) === lane && right >= x(from) - 1 && right <= x(to) + 1);
  };
  drawn.addEventListener("pointermove", event => {
    const found = under(event);
    words.textContent = found ? `${trials.trial[found.row]}: ${duration(found.to - found.from)}, ${STATUSES[trials.status[found.row]]}` : "";
  });
  drawn.addEventListener("click", event => {
    const found = under(event);
    if (found) open(toTrial(name, trials.trial[found.row]));
  });
  holder.replaceChildren(drawn);
  legend.replaceChildren(...bars.map(([status, some]) => make("span", { class: `key ${status}` }, `${STATUSES[status]} (${number(some.length)})`)), " Workers are counted as few as the times allow; a click opens a trial.");
}

/** Times by worker: each goes to the first that is free. coarse: seconds that times may be off, as they are told. */
function lanesOf(spans, coarse) {
  const lanes = [], free = [];
  for (const span of [...spans].sort((a, b) => a.from - b.from)) {
    const slack = Math.max(coarse, Math.min(1, (span.to - span.from) / 10)), lane = free.findIndex(at => at <= span.from + slack);
    const chosen = lane < 0 ? lanes.push([]) - 1 : lane;
    lanes[chosen].push(span);
    free[chosen] = span.to;
  }
  return lanes;
}
