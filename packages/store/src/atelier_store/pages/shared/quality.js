/**
 * Where a model errs, on the test rows or on those of the validation: confusion, classes, confidence, residuals, worst mistakes.
 * With folds, the rows of the validation were answered by the networks of the folds, each by one that had not learnt from it.
 */

import { chart } from "./charts.js";
import { count, draw, make, number, percent, short } from "./elements.js";

export const PARTS = { test: () => "the test rows", validation: folds => folds ? `the rows of ${folds} folds, by networks that had not seen them` : "the validation rows" };
const MOST_LABELLED = 20;  // classes whose names stand beside the matrix
const MOST_NUMBERED = 12;  // classes whose counts stand in it
const SIDE = 440;

/** Elements for a report's quality by part, of which one is chosen; model has a manifest. None where there is none. */
export function qualityParts({ quality = {}, folds }, model) {
  const parts = Object.keys(PARTS).filter(part => quality[part]);
  if (!parts.length) return [];
  const holder = make("div", {}), choice = make("select", { id: "part" }, ...parts.map(part => make("option", { value: part }, PARTS[part](folds))));
  const paint = () => holder.replaceChildren(...shown(quality[choice.value], choice.value, folds, model));
  choice.addEventListener("change", paint);
  paint();
  return [make("p", { class: "choice" }, make("label", { for: "part" }, "On "), choice), holder];
}

const labelled = ({ labels }) => number => (labels || [])[number] === undefined ? String(number) : labels[number];

function shown(part, name, folds, { manifest }) {
  const label = labelled(manifest);
  const blocks = part.classes
    ? [block("Taken for each other", ...confusion(part, label)), block("How sure, how right", ...confidence(part, name, folds, manifest)), block("Class by class", ...classes(part.classes, label))]
    : [block("How far off", ...residuals(part.residuals, manifest))];
  return [make("div", { class: "blocks" }, ...blocks, block("The worst mistakes", ...worst(part, label, manifest)))];
}

const block = (title, ...children) => make("div", {}, make("h3", {}, title), ...children);

const scroll = (says, table) => make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": says }, table);

const table = (heads, rows) => make("table", {}, make("thead", {}, make("tr", {}, ...heads.map(head => make("th", { scope: "col" }, head)))), make("tbody", {}, ...rows.map(([first, ...rest]) => make("tr", {}, make("th", { scope: "row" }, first), ...rest.map(cell => make("td", {}, cell))))));

/** What is taken for what: the matrix where there is one, and the pairs that are confused most. */
export const confused = (part, { manifest }) => confusion(part, labelled(manifest));

function confusion({ confusion: matrix, confused, rows }, label) {
  const pairs = confused.map(one => [label(one.truth), label(one.predicted), number(one.rows)]);
  const list = pairs.length ? scroll("Pairs of classes by mistakes", table(["Is", "Taken for", "Rows"], pairs)) : make("p", { class: "quiet" }, `None of ${count(rows, "row")} is taken for another class.`);
  return matrix ? [drawnMatrix(matrix, label), make("details", {}, make("summary", {}, "What is confused most"), list)] : [list];
}

/** A row for what a row is, a column for what it is taken for; the darker, the larger the share of its row. */
function drawnMatrix(matrix, label) {
  const size = matrix.length, left = size > MOST_LABELLED ? 8 : 86, side = (SIDE - left) / size, cell = [];
  matrix.forEach((line, truth) => {
    const rows = line.reduce((sum, one) => sum + one, 0), y = truth * side;
    if (size <= MOST_LABELLED) cell.push(draw("text", { class: "tick", x: left - 7, y: y + side / 2 + 4, "text-anchor": "end" }, cut(label(truth)), draw("title", {}, label(truth))));
    line.forEach((many, predicted) => {
      const share = rows ? many / rows : 0, x = left + predicted * side;
      const says = `${label(truth)} taken for ${label(predicted)}: ${number(many)} of ${number(rows)}`;
      cell.push(draw("rect", { class: truth === predicted ? "right" : "mistaken", x, y, width: side - 1, height: side - 1, "fill-opacity": many ? 0.12 + 0.88 * share : 0 }, draw("title", {}, says)));
      if (size <= MOST_NUMBERED && many) cell.push(draw("text", { class: share > (truth === predicted ? 0.45 : 0.75) ? "count over" : "count", x: x + side / 2, y: y + side / 2 + 4, "text-anchor": "middle" }, short(many)));
    });
  });
  const right = matrix.reduce((sum, line, index) => sum + line[index], 0), rows = matrix.flat().reduce((sum, one) => sum + one, 0);
  const says = `Confusion matrix of ${size} classes: ${number(right)} of ${number(rows)} rows are right; rows are what they are, columns what they are taken for`;
  return make("figure", { class: "matrix" },
    draw("svg", { viewBox: `0 0 ${SIDE} ${size * side + 22}`, role: "img", "aria-label": says }, cell, draw("text", { class: "name", x: SIDE, y: size * side + 16, "text-anchor": "end" }, `taken for${size <= MOST_LABELLED ? ", in the same order" : ""}`)),
  );
}

const cut = text => text.length > 11 ? `${text.slice(0, 10)}…` : text;

/** Every class, the worst F1 first. */
function classes({ rows, predicted, precision, recall, f1 }, label) {
  const order = rows.map((_, index) => index).sort((a, b) => (f1[a] ?? 2) - (f1[b] ?? 2));
  const shown = value => value === null ? "–" : percent(value);
  const lines = order.map(index => [label(index), number(rows[index]), number(predicted[index]), shown(precision[index]), shown(recall[index]), shown(f1[index])]);
  return [scroll("Scores of each class", table(["Class", "Rows", "Taken for it", "Precision", "Recall", "F1"], lines))];
}

/** How often it is right, by how sure it is: on the line both are the same. The error is of the rows that are shown. */
function confidence({ calibration, rows }, name, folds, manifest) {
  const holder = make("div", { class: "holder" }), error = calibration.reduce((sum, one) => sum + one.rows * Math.abs(one.accuracy - one.confidence), 0) / rows;
  const mean = name === "validation" && folds ? manifest.metrics.val_ece : undefined;
  const says = one => `${number(one.rows)} rows with ${percent(one.above, 0)} to ${percent(one.up_to, 0)}: on average ${percent(one.confidence)} sure, ${percent(one.accuracy)} right`;
  queueMicrotask(() => chart(holder, {
    x: { name: "how sure", shown: value => percent(value, 0) },
    y: { shown: value => percent(value, 0) },
    dots: calibration.map(one => ({ x: one.confidence, y: one.accuracy, class: "dot", says: says(one) })),
    line: true,
    lines: [{ points: [[0, 0], [1, 1]], class: "even" }],
    says: `How often it is right by how sure it is, over ${count(rows, "row")}: ${calibration.map(says).join("; ")}`,
  }));
  return [holder, make("p", { class: "quiet legend" }, `Above the line it is right more often than it says. Calibration error of these rows: ${number(error)}.${mean === undefined ? "" : ` val_ece, the mean over the folds: ${number(mean)}.`}`)];
}

/** Predictions minus targets: how many are how far off. */
function residuals({ mean, quantiles, edges, counts, below, above }, manifest) {
  const holder = make("div", { class: "holder" }), outside = below + above;
  queueMicrotask(() => chart(holder, {
    x: { name: "prediction minus target", shown: number },
    y: { shown: short },
    dots: [],
    area: counts.flatMap((many, index) => [[edges[index], 0, many], [edges[index + 1], 0, many]]),
    lines: [{ points: [[0, 0], [0, Math.max(...counts)]], class: "even" }],
    says: `Residuals: half are between ${number(quantiles["0.25"])} and ${number(quantiles["0.75"])}, 90 % between ${number(quantiles["0.05"])} and ${number(quantiles["0.95"])}`,
  }));
  const rows = Object.entries(quantiles).map(([share, value]) => [share === "0" ? "Lowest" : share === "1" ? "Highest" : share === "0.5" ? "Median" : `${100 * Number(share)} % are below`, number(value)]);
  return [
    holder,
    make("p", { class: "quiet legend" }, `Dashed: exact. On average ${number(mean)}.${outside ? ` ${number(outside)} more lie outside.` : ""}`),
    make("details", {}, make("summary", {}, "As a table"), scroll("Quantiles of residuals", table(["Residual", manifest.target_name || "value"], rows))),
  ];
}

/** Where they are, and what they are taken for: the report has no picture and no row itself. */
function worst({ worst: mistakes, array }, label, { task }) {
  if (!mistakes.length) return [make("p", { class: "quiet" }, "There is none.")];
  const isClass = task === "classification";
  const said = values => values.map(value => isClass ? label(value) : number(value)).join(", ");
  const heads = isClass ? ["Row", "Is", "Taken for", "How sure", "Loss"] : ["Row", "Target", "Prediction", "Squared error"];
  const lines = mistakes.map(one => [one.row, said(one.truth), said(one.predicted), ...(isClass ? [percent(one.probability)] : []), number(one.loss)]);
  return [
    scroll("The worst mistakes", table(heads, lines)),
    make("p", { class: "quiet legend" }, "Rows of ", make("code", {}, `${array}.npy`), " in the store's data, counted from 0."),
  ];
}
