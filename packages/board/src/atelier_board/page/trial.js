/** One trial: how it ended and why, its curve, parameters, cost, files and log, and what of it cannot be read. */

import { chart, clear } from "./charts.js";
import { at, bytes, count, facts, make, metricName, milliseconds, moment, number, score } from "./elements.js";
import { networkParts } from "./network.js";
import { noteView } from "./note.js";
import { headed, scrolled, section } from "./parts.js";
import { qualityParts } from "./quality.js";
import { chosen, has, keep, link, toCompare, toTrial } from "./route.js";
import { axisValue, badge, duration, value } from "./words.js";

export function trialView(root) {
  const problems = make("div", { id: "problems", class: "notice wrong", role: "alert", hidden: true });
  const ended = make("dl", { class: "facts" }), parameters = make("dl", { class: "facts" }), from = make("dl", { class: "facts" });
  const holder = make("div", { class: "holder" }), measure = make("select", { id: "measure" }), table = make("tbody"), heads = make("tr");
  const files = make("tbody"), log = make("pre", { tabindex: 0 }), messages = make("pre", { tabindex: 0 });
  const note = make("div"), noted = section("noted", "What you say of it", note), showNote = noteView(note);
  const mistakes = make("div"), errs = section("errs", "Where it errs", mistakes);
  const network = make("div"), drawn = section("network", "Its network", network);
  const logs = [section("log", "Its log", log), section("messages", "What it wrote to standard error", messages)];
  root.replaceChildren(problems,
    make("div", { class: "pair" }, section("ended", "How it ended", ended), section("curve", "How it learned", make("div", { class: "controls" }, make("label", { for: "measure" }, "Show", measure)), holder, asTable(heads, table))),
    drawn,
    errs,
    make("div", { class: "pair" }, section("parameters", "Parameters", parameters), section("from", "Where it comes from", from)),
    noted,
    section("files", "Files", make("p", { class: "quiet" }, "Digests are those of its card; atelier audit computes them again."), scrolled("Table of files", headed("File", "Size", "sha256"), files)),
    ...logs);
  let told, judged;
  const paint = () => told.curve.length ? chart(holder, curveOf(told, measure.value)) : clear(holder, make("p", { class: "quiet" }, "It has ended no epoch."));
  measure.addEventListener("change", () => {
    keep("measure", measure.value);
    paint();
  });
  return now => {
    told = now;
    at("state").replaceChildren(badge(now.status), now.at_work ? ` At work: ${now.at_work} ` : " ", now.key ? toOther(now) : "");
    problems.hidden = !now.problems.length;
    problems.replaceChildren(...now.problems.map(problem => make("div", {}, problem)));
    const names = namesOf(now);
    if (measure.options.length !== names.length) {
      measure.replaceChildren(...names.map(name => make("option", { value: name }, metricName(name))));
      measure.value = names.includes(chosen("measure")) ? chosen("measure") : names[0];
    }
    paint();
    heads.replaceChildren(...["Epoch", "Ended", "Training", ...names.map(metricName)].map(name => make("th", { scope: "col" }, name)));
    table.replaceChildren(...now.curve.map(epoch => make("tr", {}, make("th", { scope: "row" }, epoch.epoch), make("td", {}, moment(epoch.finished_at)), make("td", {}, duration(epoch.seconds)), ...names.map(name => make("td", {}, epoch.metrics[name] === undefined ? "" : score(name, epoch.metrics[name]))))));
    noted.hidden = !now.key || !(now.note || has(`api/notes/${now.key}`));
    showNote(now);
    drawn.hidden = !now.network;
    if (now.network) network.replaceChildren(...networkParts(now.network));
    errs.hidden = !now.promoted;
    if (now.promoted && now.promoted.version !== judged) mistakes.replaceChildren(...asPromoted(now.promoted));  // what is chosen there stays
    judged = now.promoted?.version;
    ended.replaceChildren(...facts(endedFacts(now)));
    parameters.replaceChildren(...facts(Object.entries(now.parameters)));
    from.replaceChildren(...facts(fromFacts(now)));
    files.replaceChildren(...now.files.map(file => make("tr", {}, make("th", { scope: "row" }, make("code", {}, file.name)), make("td", {}, file.bytes === null ? "is not there" : bytes(file.bytes)), make("td", {}, file.sha256 ? make("code", { class: "digest" }, file.sha256) : ""))));
    [[log, now.log], [messages, now.messages]].forEach(([pre, text], index) => {
      logs[index].hidden = !text;
      if (pre.textContent !== text) pre.textContent = text;
    });
  };
}

/** A link to a comparison with another trial, which is to be named there. */
function toOther({ search, trial }) {
  const found = link(toCompare(`${search.name}/${trial}`, ""), "Compare with another");
  return found.href ? found : "";  // a file has no others
}

/** What a promotion has kept of its answers; one of an older release has kept none. */
function asPromoted({ model, version, report, ...of }) {
  const found = qualityParts(report, of), named = make("p", { class: "quiet" }, `Promoted as ${model}, version `, make("code", {}, version), ".");
  return [named, ...(found.length ? found : [make("p", { class: "quiet" }, "Its promotion kept nothing of it: it is older, or there were no rows to ask.")])];
}

const asTable = (heads, rows) => make("details", {}, make("summary", {}, "As a table"), scrolled("Metrics by epoch", heads, rows));

/** The objective first. */
function namesOf({ curve, search: { objective } }) {
  const names = [...new Set(curve.flatMap(epoch => Object.keys(epoch.metrics)))];
  return names.sort((a, b) => (b === objective?.name) - (a === objective?.name) || a.localeCompare(b));
}

function curveOf({ curve, status }, name) {
  const epochs = curve.filter(epoch => epoch.metrics[name] !== undefined), values = epochs.map(epoch => epoch.metrics[name]);
  const dots = epochs.map((epoch, index) => ({ x: epoch.epoch, y: values[index], class: "dot", says: `epoch ${epoch.epoch}: ${score(name, values[index])}` }));
  return {
    x: { name: "epoch", whole: true, shown: number }, y: { shown: found => axisValue({ name }, found) }, dots, line: true,
    says: `${metricName(name)} over ${count(dots.length, "epoch")}: first ${score(name, values[0])}, ${status === "running" ? "now" : "last"} ${score(name, values.at(-1))}`,
  };
}

function endedFacts({ search: { objective }, rank, reason, card, config, curve, status, error }) {
  const seconds = curve.reduce((sum, epoch) => sum + epoch.seconds, 0), measured = card?.latency;
  const kept = config?.keep_weights && card?.best_epoch ? `; its weights are those of epoch ${card.best_epoch}, the best` : "";
  return [
    ["Status", badge(status)],
    ["Why", (status === "paused" && !card?.reason ? "halving: others were better at this rung" : card?.reason) || error],
    ["Rank", rank === null ? `none${reason ? `: ${reason}` : ""}` : number(rank)],
    [objective ? metricName(objective.name) : "", card && card.objective_metric_name === objective?.name ? value(objective, card.metrics[objective.name] ?? card.metric) : ""],
    ["Epochs", `${number(curve.length)}${kept}`],
    ["Training", duration(seconds)],
    ["Parameters", card?.params ? number(card.params) : ""],
    ["Multiply-adds", card?.macs ? number(card.macs) : ""],
    ["Latency", measured ? `median ${milliseconds(measured.p50_ms)}, 95 % within ${milliseconds(measured.p95_ms)}` : ""],
    ["Memory", card?.peak_memory_bytes ? `at most ${bytes(card.peak_memory_bytes)}` : ""],
    ["Last written", card ? card.updated_at : ""],
  ];
}

function fromFacts({ key, config, manifest, card, shared_with: shared }) {
  const environment = card?.environment, code = text => text && make("code", { class: "digest" }, text);
  return [
    ["Key", code(key)],
    ["Also a trial of", shared.length ? make("span", {}, ...shared.flatMap(({ search, trial }, index) => [index ? ", " : "", link(toTrial(search, trial), `${search} (${trial})`)])) : ""],
    ["Network", manifest?.architecture],
    ["Goes on from", config?.parent ? `${config.parent}, after ${count(config.parent_epochs, "epoch")}` : ""],
    ["Data digest", code(config?.data_digest)],
    ["Network code digest", code(config?.network_digest)],
    ["Weights sha256", code(card?.weights_sha256)],
    ["Seed", config ? String(config.seed) : ""],
    ["Trained on", environment ? `${environment.cpu} (${environment.cpu_capability}), ${environment.device}, ${count(environment.threads, "thread")}, ${environment.precision}; torch ${environment.torch}, atelier ${environment.code_version}` : ""],
  ];
}
