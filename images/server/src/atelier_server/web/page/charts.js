/** Charts: lines and dots over two axes, drawn to the width that there is. */

import { draw, number, short } from "./elements.js";

const HEIGHT = 260;
const MARGIN = { top: 14, right: 16, bottom: 42, left: 54 };

const painters = new Map();
const watcher = new ResizeObserver(entries => entries.forEach(entry => painters.get(entry.target)()));

/**
 * Keep a chart in the holder. x and y: {name, log, whole, shown}; dots: {x, y, class, says}; line: whether they are joined;
 * bound: {x, says}; band: {from, says}; says: what the chart shows, in words.
 */
export function chart(holder, description) {
  const paint = () => holder.replaceChildren(painted(description, Math.max(240, holder.clientWidth)));
  painters.set(holder, paint);
  watcher.observe(holder);
  paint();
}

function painted({ x, y, dots, line, bound, band, says }, width) {
  const right = width - MARGIN.right, bottom = HEIGHT - MARGIN.bottom;
  const xs = dots.map(dot => dot.x).concat(bound ? [bound.x] : []);
  const across = scale(xs, MARGIN.left, right, x), along = scale(dots.map(dot => dot.y), bottom, MARGIN.top, y);
  const parts = [];
  if (band) parts.push(...bandParts(across(band.from), right, bottom, band));
  for (const tick of along.ticks) {
    parts.push(draw("line", { class: "grid", x1: MARGIN.left, x2: right, y1: along(tick), y2: along(tick) }));
    parts.push(draw("text", { class: "tick", x: MARGIN.left - 8, y: along(tick) + 4, "text-anchor": "end" }, (y.shown || number)(tick)));
  }
  for (const tick of across.ticks) {
    parts.push(draw("text", { class: "tick", x: across(tick), y: bottom + 18, "text-anchor": "middle" }, (x.shown || short)(tick)));
  }
  parts.push(draw("line", { class: "axis", x1: MARGIN.left, x2: right, y1: bottom, y2: bottom }));
  parts.push(draw("text", { class: "name", x: right, y: HEIGHT - 6, "text-anchor": "end" }, x.name));
  if (bound) parts.push(...boundParts(across(bound.x), bottom, bound));
  if (line) parts.push(draw("polyline", { class: "line", points: dots.map(dot => `${across(dot.x).toFixed(1)},${along(dot.y).toFixed(1)}`).join(" ") }));
  const winnerLast = [...dots].sort((a, b) => (a.class === "best") - (b.class === "best"));
  parts.push(...winnerLast.flatMap(dot => dotParts(dot, across(dot.x).toFixed(1), along(dot.y).toFixed(1), line ? 2.8 : 4.2)));
  return draw("svg", { class: "chart", viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-label": says }, parts);
}

const dotParts = (dot, cx, cy, r) => [
  draw("circle", { class: dot.class, cx, cy, r: dot.class === "best" ? 4.6 : r }, draw("title", {}, dot.says)),
  dot.class === "best" ? draw("circle", { class: "ring", cx, cy, r: 8.5 }) : null,
];

const bandParts = (from, to, bottom, { says }) => [
  draw("rect", { class: "band", x: from, y: MARGIN.top, width: Math.max(0, to - from), height: bottom - MARGIN.top }),
  draw("text", { class: "tick", x: to - 4, y: bottom - 8, "text-anchor": "end" }, says),
];

const boundParts = (x, bottom, { says }) => [
  draw("line", { class: "bound", x1: x, x2: x, y1: MARGIN.top, y2: bottom }),
  draw("text", { class: "tick", x: x - 5, y: bottom - 8, "text-anchor": "end" }, says),
];

/** From values to pixels, with ticks: a little more than the values span. */
function scale(values, from, to, { log, whole }) {
  const turned = log ? Math.log10 : value => value;
  let low = Math.min(...values), high = Math.max(...values);
  if (low === high) [low, high] = log ? [low / 2, high * 2] : whole ? [low - 1, high + 1] : [low - Math.abs(low || 1) * 0.05, high + Math.abs(high || 1) * 0.05];
  const room = log || !whole ? 0.06 * (turned(high) - turned(low)) : 0;
  const first = turned(low) - room, span = turned(high) + room - first;
  const at = value => from + (to - from) * (turned(value) - first) / span;
  const most = Math.max(2, Math.round(Math.abs(to - from) / (log || whole ? 70 : 40)));
  at.ticks = (log ? logTicks(10 ** first, 10 ** (first + span), most) : ticks(first, first + span, most, whole)).filter(tick => turned(tick) >= first - 1e-9 && turned(tick) <= first + span + 1e-9);
  return at;
}

function ticks(low, high, most, whole) {
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(whole ? 1 : 0, [1, 2, 5, 10].map(factor => factor * power).find(size => size >= rough));
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12)));
}

function logTicks(low, high, most) {
  const powers = Array.from({ length: Math.ceil(Math.log10(high)) - Math.floor(Math.log10(low)) + 1 }, (_, index) => 10 ** (Math.floor(Math.log10(low)) + index));
  const all = factors => powers.flatMap(power => factors.map(factor => factor * power)).filter(value => value >= low && value <= high);
  const found = [[1, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]].map(all).find(those => those.length <= most) || all([1]);
  return found.length > 1 ? found : ticks(low, high, Math.min(most, 4), false);
}
