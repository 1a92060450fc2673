/** Charts: lines and dots over two axes, drawn to the width that there is. */

import { draw, make, number, short } from "./elements.js";

const HEIGHT = 260;
const MARGIN = { top: 14, right: 16, bottom: 42, left: 54 };
const LETTER = 7.2;  // pixels that a letter of a tick takes, about
const MOST_DRAWN = 2000;  // dots as elements, with a title each; more are painted

const painters = new Map();
const watcher = new ResizeObserver(entries => entries.forEach(entry => painters.get(entry.target)()));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => painters.forEach(paint => paint()));

/**
 * Keep a chart in the holder. x and y: {name, log, whole, names, shown}; dots: {x, y, class, says}; line: whether they are joined;
 * lines: {points: [x, y], class}; area: [x, low, high]; bound: {x, says}; band: {from, says}; says: what the chart shows, in words;
 * open: what a click on a dot does; height: pixels, if not as usual.
 */
export function chart(holder, description) {
  const paint = () => holder.replaceChildren(...painted(description, Math.max(240, holder.clientWidth), getComputedStyle(holder)));
  painters.set(holder, paint);
  watcher.observe(holder);
  paint();
}

/** The holder has no chart any more. */
export function clear(holder, ...instead) {
  painters.delete(holder);
  watcher.unobserve(holder);
  holder.replaceChildren(...instead);
}

function painted({ x, y, dots, line, lines = [], area = [], bound, band, says, open, height = HEIGHT }, width, style) {
  const right = width - MARGIN.right, bottom = height - MARGIN.bottom;
  const points = [...dots.map(dot => [dot.x, dot.y]), ...lines.flatMap(one => one.points), ...area.flatMap(([at, low, high]) => [[at, low], [at, high]])];
  const across = scale(points.map(point => point[0]).concat(bound ? [bound.x] : []), MARGIN.left, right, x), along = scale(points.map(point => point[1]), bottom, MARGIN.top, y);
  const place = ([at, value]) => `${across(at).toFixed(1)},${along(value).toFixed(1)}`;
  const parts = [];
  if (band) parts.push(...bandParts(across(band.from), right, bottom, band));
  for (const tick of along.ticks) {
    parts.push(draw("line", { class: "grid", x1: MARGIN.left, x2: right, y1: along(tick), y2: along(tick) }));
    parts.push(draw("text", { class: "tick", x: MARGIN.left - 8, y: along(tick) + 4, "text-anchor": "end" }, (y.shown || number)(tick)));
  }
  const words = across.ticks.map(x.shown || short), inTwoRows = x.names && touch(words, across.ticks.map(across));
  across.ticks.forEach((tick, index) => {
    parts.push(draw("text", { class: "tick", x: across(tick), y: bottom + (inTwoRows && index % 2 ? 32 : 18), "text-anchor": "middle" }, words[index]));
  });
  parts.push(draw("line", { class: "axis", x1: MARGIN.left, x2: right, y1: bottom, y2: bottom }));
  if (!inTwoRows) parts.push(draw("text", { class: "name", x: right, y: height - 6, "text-anchor": "end" }, x.name));
  if (bound) parts.push(...boundParts(across(bound.x), bottom, bound));
  if (area.length) parts.push(draw("polygon", { class: "area", points: [...area.map(([at, low]) => [at, low]), ...area.map(([at, , high]) => [at, high]).toReversed()].map(place).join(" ") }));
  for (const one of lines) parts.push(draw("polyline", { class: one.class, points: one.points.map(place).join(" ") }));
  if (line) parts.push(draw("polyline", { class: "line", points: dots.map(dot => place([dot.x, dot.y])).join(" ") }));
  const many = dots.length > MOST_DRAWN;
  const winnerLast = dots.filter(dot => !many || dot.class === "best").sort((a, b) => (a.class === "best") - (b.class === "best"));
  parts.push(...winnerLast.flatMap(dot => dotParts(dot, across(dot.x).toFixed(1), along(dot.y).toFixed(1), line ? 2.8 : 4.2)));
  const drawn = draw("svg", { class: open ? "chart opens" : "chart", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": says }, parts);
  const at = dots.map(dot => [across(dot.x), along(dot.y)]);
  if (open) drawn.addEventListener("click", event => pick(event, drawn, at, index => open(dots[index])));
  if (many) pointAt(drawn, at, dots);
  return many ? [marks(dots, at, [width, height], style), drawn] : [drawn];
}

/** Whether words beside each other, centred at these places, would touch. */
const touch = (words, at) => words.some((word, index) => index && (word.length + words[index - 1].length) / 2 * LETTER + 6 > Math.abs(at[index] - at[index - 1]));

/** Thousands of dots on a canvas, below the axes. */
function marks(dots, at, [width, height], style) {
  const canvas = make("canvas", { class: "marks", "aria-hidden": true }), ratio = devicePixelRatio || 1, pen = canvas.getContext("2d");
  [canvas.width, canvas.height] = [width * ratio, height * ratio];
  pen.scale(ratio, ratio);
  const ink = name => style.getPropertyValue(name);
  const tones = { dot: ink("--accent"), early: ink("--accent"), lost: ink("--quiet") };
  dots.forEach((dot, index) => {
    pen.beginPath();
    pen.arc(...at[index], dot.class === "dot" ? 2.4 : 1.8, 0, 7);
    pen.globalAlpha = dot.class === "dot" ? 0.9 : 0.45;
    [pen.fillStyle, pen.strokeStyle] = [tones[dot.class] || tones.dot, tones[dot.class] || tones.dot];
    pen.setLineDash(dot.class === "lost" ? [1.5, 1.5] : []);
    if (dot.class === "dot") pen.fill();
    else pen.stroke();
  });
  return canvas;
}

/** The dot under the pointer is ringed, and its words are the tooltip. */
function pointAt(drawn, at, dots) {
  const ring = draw("circle", { class: "ring", r: 7, visibility: "hidden" }), words = draw("title", {});
  drawn.append(ring);
  drawn.prepend(words);
  drawn.addEventListener("pointermove", event => {
    ring.setAttribute("visibility", "hidden");
    words.textContent = "";
    pick(event, drawn, at, index => {
      for (const [name, value] of [["cx", at[index][0]], ["cy", at[index][1]], ["visibility", "visible"]]) ring.setAttribute(name, value);
      words.textContent = dots[index].says;
    });
  });
}

function pick(event, drawn, at, found) {
  const box = drawn.getBoundingClientRect(), [x, y] = [event.clientX - box.left, event.clientY - box.top];
  const far = at.map(([right, down]) => (right - x) ** 2 + (down - y) ** 2);
  const nearest = far.reduce((best, distance, index) => distance < far[best] ? index : best, 0);
  if (far[nearest] < 100) found(nearest);
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
export function scale(values, from, to, { log, whole, names }) {
  if (names) return places(names, from, to);
  const turned = log ? Math.log10 : value => value;
  let low = values.reduce((a, b) => Math.min(a, b)), high = values.reduce((a, b) => Math.max(a, b));
  if (low === high) [low, high] = log ? [low / 2, high * 2] : whole ? [low - 1, high + 1] : [low - Math.abs(low || 1) * 0.05, high + Math.abs(high || 1) * 0.05];
  const room = log || !whole ? 0.06 * (turned(high) - turned(low)) : 0;
  const first = turned(low) - room, span = turned(high) + room - first;
  const at = value => from + (to - from) * (turned(value) - first) / span;
  const most = Math.max(2, Math.round(Math.abs(to - from) / (log || whole ? 70 : 40)));
  at.ticks = (log ? logTicks(10 ** first, 10 ** (first + span), most) : ticks(first, first + span, most, whole)).filter(tick => turned(tick) >= first - 1e-9 && turned(tick) <= first + span + 1e-9);
  return at;
}

/** Choices beside each other: a value is the number of one, from 0. */
function places(names, from, to) {
  const at = value => from + (to - from) * (value + 0.5) / names.length;
  at.ticks = names.map((_, index) => index);
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
