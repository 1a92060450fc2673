/** Elements made, and values written as people read them. Text is only ever set as text. */

const SVG = "http://www.w3.org/2000/svg";

export const at = id => document.getElementById(id);

export const make = (tag, attributes, ...children) => filled(document.createElement(tag), attributes, children);

export const draw = (tag, attributes, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter(child => child !== undefined && child !== null));
  return element;
}

/** Show a text, or nothing; only when it changes, so that it is read out once. */
export function say(id, text) {
  at(id).hidden = !text;
  if (at(id).textContent !== text) at(id).textContent = text;
}

/** Terms and descriptions for a <dl>; what has no value is left out. */
export const facts = pairs =>
  pairs.filter(([, value]) => value !== undefined && value !== null && value !== "").flatMap(([term, value]) => [
    make("dt", {}, term), make("dd", {}, value),
  ]);

const significant = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

export function number(value) {
  const size = Math.abs(value);
  if (size !== 0 && size < 1e-4) return value.toExponential(1);
  return (size >= 1000 ? whole : significant).format(value);
}

export const short = value => compact.format(value);

export const count = (many, one, more = one + "s") => `${whole.format(many)} ${many === 1 ? one : more}`;

export const percent = (value, digits = 1) => `${(100 * value).toFixed(digits)} %`;

export const milliseconds = value => `${value < 10 ? significant.format(Number(value.toPrecision(2))) : whole.format(value)} ms`;

export const bytes = size => size < 2 ** 10 ? `${size} bytes` : size < 2 ** 20 ? `${significant.format(Number((size / 1024).toPrecision(3)))} KiB` : `${significant.format(Number((size / 2 ** 20).toPrecision(3)))} MiB`;

export const moment = text => new Date(text).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });

const SETS = { val: "Validation", test: "Test", train: "Training" };
const MEASURES = {
  accuracy: "accuracy", balanced_accuracy: "balanced accuracy", macro_f1: "macro F1", mcc: "Matthews correlation", auc: "AUC", average_precision: "average precision", ece: "calibration error", hamming_loss: "Hamming loss", loss: "loss",
  rmse: "RMSE", mae: "mean absolute error", mape: "mean absolute percentage error", rmsle: "RMSLE", r2: "R²",
};

/** A metric's set and measure in words: val_accuracy is Validation and accuracy. */
export function metric(name) {
  const [, set, measure] = name.match(/^(val|test|train)_(.+)$/) || [null, "", name];
  return { set: SETS[set] || "", measure: MEASURES[measure] || measure, key: measure };
}

export const metricName = name => `${metric(name).set} ${metric(name).measure}`.trim();

export const lower = text => text.charAt(0).toLowerCase() + text.slice(1);

export const upper = text => text.charAt(0).toUpperCase() + text.slice(1);

/** Shares are written as percentages. */
export const score = (name, value) => /(accuracy|f1)$/.test(name) ? percent(value, 2) : number(value);
