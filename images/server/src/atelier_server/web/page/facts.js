/** What is known of the model, in tiles, tables and lists. */

import { at, bytes, count, facts, lower, make, metric, metricName, milliseconds, moment, number, percent, score, short } from "./elements.js";

export function showTiles({ manifest, promotion, onnx_bytes }) {
  const name = promotion ? promotion.objective_metric_name : manifest.objective_metric_name, tested = promotion && promotion.test_metrics;
  const validated = manifest.metrics[name] === undefined ? "no validation row is left" : `${metricName(name)} ${score(name, manifest.metrics[name])}`;
  const atTest = tested && tested[name.replace(/^val_/, "test_")];
  const best = atTest === undefined || atTest === null ? [manifest.objective_metric_name, manifest.metrics[manifest.objective_metric_name], "no test set"] : [name.replace(/^val_/, "test_"), atTest, validated];
  at("tiles").replaceChildren(
    tile(metricName(best[0]), score(best[0], best[1]), best[2]),
    tile("Parameters", short(manifest.params), `${short(manifest.macs)} multiply-adds`),
    tile("Size", bytes(onnx_bytes), "as ONNX, preprocessing inside"),
    tile("Latency", milliseconds(manifest.latency.p50_ms), `95 % within ${milliseconds(manifest.latency.p95_ms)}`),
  );
}

const tile = (name, value, more) => make("li", {}, make("span", { class: "quiet" }, name), make("strong", {}, value), make("span", { class: "quiet" }, more));

export function showScores({ manifest, promotion, onnx_bytes }, report) {
  const tested = (promotion && promotion.test_metrics) || {};
  const measures = [...new Set([...Object.keys(manifest.metrics), ...Object.keys(tested)].filter(name => !name.startsWith("train_")).map(name => metric(name).key))];
  const cell = (values, name) => make("td", {}, values[name] === undefined ? "–" : score(name, values[name]));
  const row = key => make("tr", {}, make("th", { scope: "row" }, metric(`val_${key}`).measure), cell(manifest.metrics, `val_${key}`), cell(tested, `test_${key}`));
  const heads = ["", "Validation", "Test"].map(name => name ? make("th", { scope: "col" }, name) : make("td", {}));
  const { environment } = manifest.provenance, { latency } = manifest;
  at("scores").replaceChildren(
    make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...measures.map(row))),
    make("dl", { class: "facts" }, ...facts([
      ["Rows", rowsInWords(manifest, promotion, report)],
      ...thresholdsInWords(manifest, promotion),
      ...targetsInWords(manifest.target_metrics, promotion),
      ["Parameters", number(manifest.params)],
      ["Multiply-adds", `${number(manifest.macs)} for one example`],
      ["ONNX file", `${number(onnx_bytes)} bytes`],
      ["Latency", `median ${milliseconds(latency.p50_ms)}, 95 % within ${milliseconds(latency.p95_ms)}; one example, one thread of ${environment.cpu}`],
    ])),
  );
}

function rowsInWords({ parity, config }, promotion, report) {
  const all = report && report.data ? report.data.train_rows : undefined;
  const training = all === undefined ? "" : `${number(config.folds ? all : all - parity.rows)} for training, `;
  const validation = config.folds ? `validation in ${config.folds} folds of them by networks that had not seen them` : `${number(parity.rows)} for validation`;
  return `${training}${validation}, ${promotion && promotion.test_rows ? `${number(promotion.test_rows)} for the test, read once at the promotion` : "none for a test"}`;
}

/** From which probability on a label is given, and what that comes to; a model without thresholds gives the likeliest. */
function thresholdsInWords({ thresholds, config }, promotion) {
  const tested = (promotion && promotion.test_thresholds) || [];
  const reached = (rows, { metrics }) => `${rows}: ${Object.entries(metrics).map(([name, value]) => `${metricName(name)} ${percent(value, 2)}`).join(", ")}`;
  return (thresholds || []).map(({ label, value, rule, metrics }, index) => {
    const parts = [reached(config.folds ? `${config.folds} folds` : "validation", { metrics }), ...(tested[index] ? [reached("test", tested[index])] : [])];
    return [`Label ${label}`, `from a probability of ${number(value)} on, by ${rule}; ${parts.join("; ")}`];
  });
}

/** What each of several targets comes to alone. */
function targetsInWords(targets, promotion) {
  const tested = (promotion && promotion.test_target_metrics) || {};
  const reached = metrics => Object.entries(metrics).map(([name, value]) => `${lower(metricName(name))} ${score(name, value)}`).join(", ");
  return Object.entries(targets || {}).map(([name, metrics]) => [`Target ${name}`, [metrics, tested[name]].filter(Boolean).map(reached).join("; ")]);
}

export function showSearch({ manifest }, report) {
  if (!report) return at("search").replaceChildren(make("p", { class: "quiet" }, "This version was promoted before the search was kept with it."));
  const known = report.chosen;
  const rows = report.parameters.map(parameter => make("tr", {}, make("th", { scope: "row" }, make("code", {}, parameter.name)), make("td", {}, ...possible(parameter, known[parameter.name])), make("td", {}, make("b", {}, chosenText(known[parameter.name])))));
  const heads = ["Parameter", "Could be", "Winner"].map(name => make("th", { scope: "col" }, name));
  at("search").replaceChildren(
    make("p", {}, howSearched(report, manifest.config)),
    make("p", {}, "Budget: ", budgetInWords(report.budget), "."),
    make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "The search space" }, make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows))),
  );
}

function howSearched({ algorithm, early_stopping, max_trial_count, max_epochs, objective }, { tail_epochs }) {
  const goal = `${objective.type === "minimize" ? "The lowest" : "The highest"} ${lower(metricName(objective.objective_metric_name))}`;
  const early = early_stopping.algorithm_name === "none" ? "" : `; ${early_stopping.algorithm_name} ended poor ones early`;
  const tail = tail_epochs ? ` The best went on for ${count(tail_epochs, "epoch")} with a falling learning rate.` : "";
  return `${goal} among up to ${count(max_trial_count, "trial")} of up to ${count(max_epochs, "epoch")}, suggested by ${algorithm.algorithm_name}${early}.${tail}`;
}

function budgetInWords({ params, macs, latency_ms }) {
  const bounds = [params && `${number(params)} parameters`, macs && `${number(macs)} multiply-adds`, latency_ms && `${milliseconds(latency_ms)} latency`].filter(Boolean);
  return bounds.length ? `at most ${bounds.join(", ")}` : "none set";
}

const chosenText = value => value === undefined ? "–" : Number.isFinite(Number(value)) && value !== "" ? number(Number(value)) : value;

function possible({ feasible_space: { min, max, step, list, distribution } }, chosen) {
  if (list) return list.flatMap((value, index) => [index ? " " : "", make(same(value, chosen) ? "mark" : "span", { class: "value" }, value)]);
  const extra = [step && `in steps of ${step}`, distribution === "logUniform" && "logarithmic"].filter(Boolean).join(", ");
  return [`${min} to ${max}${extra ? `, ${extra}` : ""}`];
}

const same = (value, chosen) => chosen !== undefined && (value === chosen || (value !== "" && Number(value) === Number(chosen)));

export function showProvenance({ version, manifest, promotion, signed_by }, report) {
  const { provenance, parity } = manifest, { environment } = provenance;
  const digest = text => text && make("code", { class: "digest" }, text);
  at("provenance").replaceChildren(...facts([
    ["Promoted", promotion && `${moment(promotion.promoted_at)} by ${promotion.promoted_by}, ${forWhat(promotion)}`],
    ["Experiment", make("code", {}, provenance.experiment)],
    ["Trial", `${provenance.trial}, ${howTrained(manifest)}, seed ${provenance.seed}`],
    ["Key", digest(provenance.key)],
    ["Parents", provenance.parents.length ? make("code", {}, provenance.parents.join(", ")) : ""],
    ["Version", digest(version)],
    ["Signed by the key", digest(signed_by)],
    ["Data", report && report.data ? report.data.source : ""],
    ["Data digest", digest(provenance.data_digest)],
    ["Search digest", digest(provenance.spec_digest)],
    ["Network code digest", digest(provenance.network_digest)],
    ["Weights sha256", digest(manifest.weights_sha256)],
    ...Object.entries(manifest.files).map(([name, sha256]) => [`${name} sha256`, digest(sha256)]),
    ["Code", `atelier ${environment.code_version}, recipe ${provenance.recipe_version}, torch ${environment.torch}, numpy ${environment.numpy}, ONNX Runtime ${environment.onnxruntime}, Python ${environment.python}`],
    ["Trained on", `${environment.cpu} (${environment.cpu_capability}), ${environment.device}, ${count(environment.threads, "thread")}, ${environment.precision}`],
    [manifest.config.int8_of ? "Against the network before int8" : "ONNX against torch", parityInWords(parity)],
  ]));
}

const forWhat = ({ metric, objective_metric_name: name }) => metric === null ? "retrained from the best, which leaves no row to score it on" : `for ${lower(metricName(name))} ${score(name, metric)}`;

const howTrained = ({ config, provenance }) => `${config.members ? `the mean of ${count(config.members.length, "network")}` : `${count(provenance.epochs, "epoch")}${afterParent(config)}${ofTheBest(provenance)}${config.retrained_epochs ? ", on training and validation rows" : ""}`}${config.mirror_of ? ", the mean of a picture and its mirror image" : ""}`;

const ofTheBest = ({ best_epoch }) => best_epoch ? `, weights of epoch ${best_epoch}, the best` : "";

const afterParent = ({ parent_epochs }) => parent_epochs ? ` after ${parent_epochs} of its parent` : "";

function parityInWords({ rows, argmax_equal, max_abs_difference }) {
  const same = argmax_equal === null ? "" : argmax_equal ? "the same class on every one; " : "not the same class everywhere; ";
  return `${count(rows, "validation row")}: ${same}largest difference ${number(max_abs_difference)}`;
}
