/** Every trial as a line across its parameters and its value; a drag along an axis shows only trials within it, in every view. */

import { draw, make, metricName, number } from "./elements.js";
import { boundsOn } from "./filter.js";
import { axisOf } from "./space.js";
import { axisValue, better } from "./words.js";

const HEIGHT = 300, TOP = 46, BOTTOM = 282, SIDE = 56, APART = 78, BEST = 20;

/** choose takes a column's name and its new bounds, as words of the search field. */
export function drawParallel(holder, told, shown, wanted, choose) {
  const axes = axesOf(told), width = Math.max(holder.clientWidth, 2 * SIDE + APART * (axes.length - 1)), apart = (width - 2 * SIDE) / Math.max(1, axes.length - 1);
  const canvas = make("canvas", { class: "lines", "aria-hidden": true });
  const says = `${shown.rows.length} of ${told.length} trials as lines across ${axes.length} axes: ${axes.map(({ name }) => name).join(", ")}`;
  const top = draw("svg", { class: "chart parallel", viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-label": says }, axes.flatMap((axis, index) => parts(axis, SIDE + index * apart, index, wanted)));
  holder.replaceChildren(make("div", { class: "stack" }, canvas, top));
  paint(canvas, width, axes, apart, told, shown);
  axes.forEach((axis, index) => brush(top, axis, SIDE + index * apart, choose));
}

function axesOf({ spec, trials, objective, length }) {
  const all = Array.from({ length }, (_, row) => row);
  const parameters = spec.parameters.map(axisOf).map(axis => ({ ...axis, values: trials.parameters[axis.name] || [], shown: number }));
  const last = { name: "value", title: metricName(objective.name), values: trials.value, place: found => found === null ? NaN : found, shown: found => axisValue(objective, found) };
  return [...parameters, last].map(axis => scaled(axis, all));
}

/** at: where a value is, in pixels from above; back: the value there. */
function scaled(axis, rows) {
  const turn = axis.log ? Math.log : value => value, unturn = axis.log ? Math.exp : value => value;
  let [low, high] = axis.names ? [-0.5, axis.names.length - 0.5] : [axis.low ?? Infinity, axis.high ?? -Infinity];
  if (!axis.names && axis.low === undefined) {
    for (const row of rows) {
      const value = axis.place(axis.values[row]);
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  if (!(low < high)) [low, high] = Number.isFinite(low) ? [low - 1, low + 1] : [0, 1];
  const first = turn(low), span = turn(high) - first;
  return {
    ...axis, ends: [low, high],
    at: value => BOTTOM - (turn(value) - first) / span * (BOTTOM - TOP),
    back: y => unturn(first + (BOTTOM - y) / (BOTTOM - TOP) * span),
  };
}

function parts(axis, x, index, wanted) {
  const title = axis.title || axis.name, short = title.length > 13 ? `${title.slice(0, 12)}…` : title;
  const labels = axis.names ? axis.names.map((name, place) => [axis.at(place) + 4, name]) : axis.ends.map((value, end) => [end ? TOP - 6 : BOTTOM + 14, axis.shown(value)]);
  return [
    draw("text", { class: "name", x, y: index % 2 ? 12 : 26, "text-anchor": "middle" }, short, draw("title", {}, title)),
    draw("line", { class: "axis", x1: x, x2: x, y1: TOP, y2: BOTTOM }),
    ...labels.map(([y, words]) => draw("text", { class: "tick halo", x: axis.names ? x + 5 : x, y, "text-anchor": axis.names ? "start" : "middle" }, words)),
    ...chosenRanges(axis, boundsOn(wanted, axis.name)).map(([from, to]) => draw("rect", { class: "brushed", x: x - 7, width: 14, y: from, height: Math.max(3, to - from) })),
  ];
}

/** What the search field says of the axis, in pixels. */
function chosenRanges(axis, bounds) {
  if (!bounds.length) return [];
  if (axis.names) {
    const choices = bounds.filter(([sign]) => sign === "=").flatMap(([, bound]) => bound.split("|"));
    return choices.map(axis.place).filter(place => !Number.isNaN(place)).map(place => [axis.at(place + 0.5), axis.at(place - 0.5)]);
  }
  let [low, high] = axis.ends;
  for (const [sign, bound] of bounds) {
    if (sign.startsWith(">")) low = Math.max(low, Number(bound));
    if (sign.startsWith("<")) high = Math.min(high, Number(bound));
  }
  return low <= high ? [[axis.at(high), axis.at(low)]] : [];
}

/** All trials pale, those that are shown above them, and the best of these above all. */
function paint(canvas, width, axes, apart, { trials, objective }, { rows, has }) {
  const ratio = devicePixelRatio || 1, pen = canvas.getContext("2d"), style = getComputedStyle(canvas);
  [canvas.width, canvas.height] = [width * ratio, HEIGHT * ratio];
  canvas.style.width = `${width}px`;
  pen.scale(ratio, ratio);
  const isBetter = better(objective), valued = rows.filter(row => trials.value[row] !== null);
  const best = [...valued].sort((a, b) => isBetter(trials.value[a], trials.value[b]) ? -1 : 1).slice(0, BEST);
  const others = trials.trial.map((_, row) => row).filter(row => !has[row]);
  const many = Math.max(0.02, Math.min(0.5, 60 / Math.max(1, rows.length)));
  for (const [which, ink, alpha, wide] of [[others, "--quiet", 0.04, 1], [rows, "--accent", many, 1], [best, "--separable", 0.9, 1.4]]) {
    [pen.strokeStyle, pen.globalAlpha, pen.lineWidth] = [style.getPropertyValue(ink), alpha, wide];
    for (const row of which) line(pen, axes, apart, row);
  }
}

/** Interrupted where a trial has no value. */
function line(pen, axes, apart, row) {
  let joined = false;
  pen.beginPath();
  axes.forEach((axis, index) => {
    const value = axis.place(axis.values[row]), x = SIDE + index * apart;
    if (Number.isNaN(value)) joined = false;
    else if (joined) pen.lineTo(x, axis.at(value));
    else pen.moveTo(x, axis.at(value));
    joined = !Number.isNaN(value);
  });
  pen.stroke();
}

function brush(top, axis, x, choose) {
  const grip = draw("rect", { class: "grip", x: x - 16, width: 32, y: TOP - 8, height: BOTTOM - TOP + 16 }), mark = draw("rect", { class: "brushed", x: x - 7, width: 14, visibility: "hidden" });
  top.append(mark, grip);
  const height = event => Math.min(BOTTOM, Math.max(TOP, event.clientY - top.getBoundingClientRect().top));
  grip.addEventListener("pointerdown", down => {
    const from = height(down);
    grip.setPointerCapture(down.pointerId);
    grip.onpointermove = event => {
      for (const [name, value] of [["y", Math.min(from, height(event))], ["height", Math.abs(from - height(event))], ["visibility", "visible"]]) mark.setAttribute(name, value);
    };
    grip.onpointerup = event => choose(axis.name, Math.abs(from - height(event)) < 4 ? [] : words(axis, axis.back(Math.max(from, height(event))), axis.back(Math.min(from, height(event)))));
  });
}

/** Bounds as they are typed. */
function words(axis, low, high) {
  if (axis.names) {
    const within = axis.names.filter((_, place) => place + 0.5 > low && place - 0.5 < high);
    return within.length && within.length < axis.names.length ? [`${axis.name}=${within.join("|")}`] : [];
  }
  const written = value => String(Number(value.toPrecision(3)));
  const [first, last] = axis.ends.map(written), bounds = [written(low), written(high)];
  return [bounds[0] !== first && `${axis.name}>=${bounds[0]}`, bounds[1] !== last && `${axis.name}<=${bounds[1]}`].filter(Boolean);
}
