/** A network, drawn from its configuration step by step; a user's own network as the list of its parameters. */

import { count, draw, facts, make, number } from "./elements.js";

const OPERATIONS = {
  conv3: ["3×3 convolution", "conv"], conv5: ["5×5 convolution", "conv"],
  res3: ["residual pair of 3×3 convolutions", "residual"],
  sep3: ["3×3 separable convolution", "separable"], sep5: ["5×5 separable convolution", "separable"],
  mbconv3: ["3×3 inverted bottleneck", "bottleneck"], mbconv5: ["5×5 inverted bottleneck", "bottleneck"],
  dense: ["dense layer", "conv"], residual: ["residual pair of dense layers", "residual"], gated: ["gated linear unit", "bottleneck"],
};
const HEADS = { avg: "average pooling", max: "max pooling", avgmax: "average and max pooling" };
const CURVES = {
  relu: x => Math.max(0, x),
  silu: x => x / (1 + Math.exp(-x)),
  gelu: x => 0.5 * x * (1 + Math.tanh(0.7978845608 * (x + 0.044715 * x ** 3))),
  hardswish: x => x * Math.min(Math.max(x + 3, 0), 6) / 6,
};
/** Parameters of rows that a configuration has only where they are not at their defaults. */
const OF_ROWS = {
  scaling: value => `${value} scaling`, embedding: value => `${value} embedding of numbers`, norm: () => "no batch normalisation",
  parametrisation: () => "NTK parametrisation", members: value => `ensemble of ${value}`,
};
const TRAINING = ["lr", "weight_decay", "batch", "augment", "label_smoothing"];
const MOST_DRAWN = 6;  // layers of one stage; the words say how many there are

/** The parts of a drawing. other: a manifest, of which what differs is marked. */
export function networkParts(manifest, report, other) {
  const { params, members, mirror_of } = manifest.config;
  const drawn = members ? averaged(manifest) : [...(params.stages ? builtIn(manifest, other) : own(manifest, report)), training(params)];
  return mirror_of ? [make("p", {}, "The mean of a picture and its mirror image:"), ...drawn] : drawn;
}

function averaged({ config: { members } }) {
  const each = members.map(({ key, epochs }) => make("li", {}, "the network of trial ", make("code", {}, key), `, after ${count(epochs, "epoch")}`));
  return [make("p", {}, `The mean of what ${count(members.length, "network")} answer, in one file:`), make("ol", {}, ...each)];
}

function builtIn(manifest, other) {
  const { params } = manifest.config, before = other?.config.params.stages ? steps(other) : undefined;
  const differs = step => before && !before.some(one => one.title === step.title && String(one.words) === String(step.words));
  const list = make("ol", { class: "network", tabindex: 0, "aria-label": "From input to output" }, ...steps(manifest).map(step => shownStep(step, differs(step))));
  const chip = (...parts) => make("span", { class: "chip" }, ...parts);
  const notes = [chip(activationCurve(params.activation), `${params.activation} as activation`)];
  if (params.se) notes.push(chip("squeeze-and-excitation in every block"));
  if (params.dropout) notes.push(chip(`dropout ${number(params.dropout)}`));
  for (const [name, words] of Object.entries(OF_ROWS)) if (params[name] !== undefined) notes.push(chip(words(params[name])));
  return [make("p", { class: "chips" }, ...notes), list];
}

function own(manifest, report) {
  const from = report && report.network.includes(":") ? make("code", {}, report.network) : "a function of the user's own";
  const chosen = Object.entries(manifest.config.params).filter(([name]) => !TRAINING.includes(name));
  return [
    make("p", {}, "Built by ", from, ". Its layers are not known here; its parameters are:"),
    make("dl", { class: "facts" }, ...facts(chosen.map(([name, value]) => [name, shownValue(value)]))),
  ];
}

function training(params) {
  const known = TRAINING.filter(name => params[name] !== undefined);
  if (!known.length) return "";
  return make("p", { class: "quiet" }, "Trained with ", known.map(name => `${name.replace("_", " ")} ${shownValue(params[name])}`).join(", "), ".");
}

export const shownValue = value => typeof value === "number" ? number(value) : typeof value === "object" ? JSON.stringify(value) : String(value);

/** What data passes on its way: title, words, and what is drawn of it. */
function steps({ kind, config: { params }, inputs, columns, labels, task, outputs }) {
  const unit = kind === "rows" ? "unit" : "channel";
  let { size, channels } = entrance(kind, columns ? [columns.length] : inputs[0].shape.slice(1));
  const full = size[0];
  const place = () => [count(channels, unit), kind === "rows" ? "" : shownSize(kind, size)];
  const solid = (family, layers) => ({ family, layers, channels, ...(full ? { share: size[0] / full } : { share: Math.log2(channels + 1) / 9, even: true }), flat: kind !== "images" });
  const found = [{ title: "Input", words: columns ? [count(channels, "column"), "scaled and encoded"] : ["standardised", ...entranceWords(kind, size, channels)], drawn: solid("data", 1) }];
  channels = params.stem_width;
  found.push({ title: "Stem", words: [kind === "rows" ? "dense layer" : taps(kind, "3×3 convolution"), ...place()], drawn: solid("stem", 1) });
  params.stages.forEach((stage, index) => {
    if (stage.stride === 2) size = size.map(length => Math.ceil(length / 2));
    channels = stage.width;
    const [words, family] = OPERATIONS[stage.op];
    const halved = stage.stride === 2 ? "halved by max pooling" : "";
    found.push({ title: `Stage ${index + 1}`, words: [`${stage.depth} × ${taps(kind, words)}`, ...place(), halved], drawn: solid(family, stage.depth) });
  });
  if (params.head) found.push({ title: "Head", words: [HEADS[params.head]], drawn: { family: "head", vector: channels * (params.head === "avgmax" ? 2 : 1) } });
  const ofLabels = task === "multilabel" && [count((labels || []).length, "label"), "sigmoid"];
  const classes = ofLabels || (task === "classification" ? [count((labels || []).length, "class", "classes"), "softmax"] : [count(outputs[0].shape[1], "value")]);
  found.push({ title: "Output", words: ["linear layer", ...classes], drawn: { family: "data", vector: outputs[0].shape[1] } });
  return found;
}

function entrance(kind, shape) {
  if (kind === "rows") return { size: [], channels: shape[0] };
  const dimensions = kind === "images" ? 2 : 1;
  return { size: shape.slice(0, dimensions), channels: shape[dimensions] || 1 };
}

const shownSize = (kind, size) => kind === "signals" ? `length ${size[0]}` : size.join(" × ");

const entranceWords = (kind, size, channels) => kind === "rows" ? [count(channels, "feature")] : [count(channels, "channel"), shownSize(kind, size)];

const taps = (kind, words) => kind === "signals" ? words.replace("3×3", "3-tap").replace("5×5", "5-tap") : words;

function shownStep({ title, words, drawn }, differs) {
  return make("li", { class: differs && "differs" }, drawn.vector ? vector(drawn) : solids(drawn), make("div", {}, make("strong", {}, title), differs ? make("mark", {}, "differs") : null, ...words.filter(Boolean).map(line => make("span", {}, line))));
}

/** Layers as solids: as high as the picture is large, as thick as there are channels; dense ones as high as they have units. */
function solids({ family, layers, channels, share, flat, even }) {
  const high = 16 + 52 * Math.sqrt(share), thick = even ? 11 : 3 + 2.4 * Math.log2(channels + 1), deep = flat ? 5 : high * 0.36, up = deep * 0.6;
  const shown = Math.min(layers, MOST_DRAWN), step = thick + Math.max(5, deep * 0.32);
  const wide = step * (shown - 1) + thick + deep, top = (96 - high - up) / 2 + up;
  const parts = Array.from({ length: shown }, (_, layer) => {
    const x = 1 + layer * step, y = top;
    const points = (...corners) => corners.map(([right, down]) => `${(x + right).toFixed(1)},${(y + down).toFixed(1)}`).join(" ");
    return [
      draw("polygon", { class: "side", points: points([thick, 0], [thick + deep, -up], [thick + deep, high - up], [thick, high]) }),
      draw("polygon", { class: "lid", points: points([0, 0], [deep, -up], [thick + deep, -up], [thick, 0]) }),
      draw("polygon", { class: "front", points: points([0, 0], [thick, 0], [thick, high], [0, high]) }),
    ];
  });
  return picture(family, wide + 2, parts.flat());
}

/** A vector as a column of dots; no more than fit. */
function vector({ family, vector: length }) {
  const dots = Math.min(length, 9), gap = 10, top = 48 - (dots - 1) * gap / 2;
  return picture(family, 14, Array.from({ length: dots }, (_, index) => draw("circle", { class: "front", cx: 7, cy: top + index * gap, r: 3.6 })));
}

const picture = (family, wide, parts) => draw("svg", { class: `step ${family}`, viewBox: `0 0 ${wide.toFixed(1)} 96`, width: wide.toFixed(1), height: 96, "aria-hidden": true }, parts);

function activationCurve(name) {
  const points = Array.from({ length: 25 }, (_, index) => (index - 14) / 4).map(x => `${(x * 5 + 20).toFixed(1)},${(15 - 5 * CURVES[name](x)).toFixed(1)}`);
  return draw("svg", { class: "curvelet", viewBox: "0 0 34 18", width: 34, height: 18, "aria-hidden": true }, draw("polyline", { points: points.join(" ") }));
}
