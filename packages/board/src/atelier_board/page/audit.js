/** What an audit tells: who promoted what by which rule, when test rows were read, what was replayed, and what matches. */

import { ask } from "./asking.js";
import { at, count, facts, make, moment, number } from "./elements.js";
import { quiet, section, table } from "./parts.js";
import { Unanswered } from "./questions.js";
import { chosen, keep, link, toSearch, toTrial } from "./route.js";
import { badge, duration } from "./words.js";

const EVERY = 1000;  // milliseconds from one look at a check that is under way to the next
const PURPOSES = { score: "to score the version", decision: "to decide over it" };

export function auditView(root) {
  const problems = make("div", { class: "notice wrong", role: "alert", hidden: true });
  const of = make("select", { id: "of" }), [moves, readings, replays] = Array.from({ length: 3 }, () => make("div")), rules = make("dl", { class: "facts" });
  root.replaceChildren(problems, matching(), make("div", { class: "controls" }, make("label", { for: "of" }, "Of", of)),
    section("moves", "Who promoted what, by which rule", moves, rules), section("readings", "When the test rows were read", readings),
    section("replays", "What was trained again", replays));
  let told;
  const paint = () => {
    const isOf = ({ experiment, search }) => !of.value || of.value === (experiment ?? search);
    shown(moves, "Every change of what is served", ["When", "Model", "Version", "Before", "Trial", "By", "Why"], told.moves.filter(isOf).map(moved), "Nothing was promoted.");
    const ruled = [...new Set(told.moves.filter(isOf).map(one => one.experiment))];
    rules.replaceChildren(...facts(ruled.map(name => [link(toSearch(name), name), told.rules[name] || "cannot be read, so its rule is not known"])));
    shown(readings, "Readings of the test rows", ["When", "Model", "Version", "Search", "What for", "Rows", "By"], told.readings.filter(isOf).map(read), "Never.");
    shown(replays, "Trials that were trained again", ["When", "Trial", "Search", "Tensors", "Came out", "On"], told.replays.filter(isOf).map(replayed), "None. atelier replay trains a trial again, compares every tensor, and keeps the result here.");
  };
  of.addEventListener("change", () => {
    keep("of", of.value);
    paint();
  });
  return now => {
    told = now;
    at("state").textContent = `${count(now.moves.length, "change")} of what is served, ${count(now.readings.length, "reading")} of test rows, ${count(now.replays.length, "replay")}.`;
    problems.hidden = !now.problems.length;
    problems.replaceChildren(...now.problems.map(problem => make("div", {}, problem)));
    of.replaceChildren(make("option", { value: "" }, "all searches"), ...now.searches.map(name => make("option", { value: name }, name)));
    of.value = now.searches.includes(chosen("of")) ? chosen("of") : "";
    paint();
  };
}

const code = text => text ? make("code", {}, text) : "none";

const moved = ({ promoted_at: when, model, version, previous, experiment, trial, promoted_by: by, policy, reason }) => [
  moment(when), model, code(version), code(previous), link(toTrial(experiment, trial), trial), by, `${policy ? `The rule, promotion.policy ${policy}` : reason.startsWith("best ") ? "The rule" : "A person"}: ${reason}`,
];

const read = ({ read_at: when, model, version, search, purpose, rows, read_by: by }) => [
  moment(when), model, code(version), link(toSearch(search), search), PURPOSES[purpose], rows === null ? "" : number(rows), by,
];

const replayed = ({ replayed_at: when, key, search, trial, epochs, tensors, different, cpu }) => [
  moment(when), trial ? link(toTrial(search, trial), trial) : code(key), search ? link(toSearch(search), search) : "", `${number(tensors)} after ${count(epochs, "epoch")}`,
  different.length ? badge("failed", `${number(different.length)} differ: ${different.slice(0, 3).join(", ")}${different.length > 3 ? ", …" : ""}`) : badge("ended", "every one the same, bit for bit"), cpu,
];

const shown = (holder, label, heads, rows, nothing) => holder.replaceChildren(rows.length ? table(label, heads, rows, ["Why"]) : quiet(nothing));

/** Digests are computed when somebody asks for it; the board says how far it is, and keeps what came of it. */
function matching() {
  const button = make("button", { type: "button", class: "main" }, "Check every digest now"), says = make("p", { role: "status" }), found = make("div");
  const whole = section("matching", "What matches", quiet("All trials, data, searches and models are hashed again, as atelier audit does; that takes a while."), button, says, found);
  let due;
  const look = async begin => {
    clearTimeout(due);
    try {
      const { content } = await ask(`api/audit/check${begin ? "?begin" : ""}`);
      if (whole.isConnected) show(content);
    } catch (error) {
      if (!whole.isConnected) return;
      says.textContent = error.message;
      due = setTimeout(look, 5 * EVERY);
      if (!(error instanceof Unanswered)) throw error;
    }
  };
  const show = ({ under_way: now, last }) => {
    button.disabled = Boolean(now);
    const done = now && now.of ? Math.floor(100 * now.done / now.of) : 0;
    const words = now ? `Under way: ${done} %, ${now.at || "listing the store"}` : last ? "" : "Not checked since this board was started.";
    if (says.textContent !== words) says.textContent = words;
    found.replaceChildren(...(last ? came(last) : []));
    if (now && !document.hidden) due = setTimeout(look, EVERY);
  };
  button.addEventListener("click", () => look(true));
  document.addEventListener("visibilitychange", () => whole.isConnected && !document.hidden && button.disabled && look());
  requestAnimationFrame(() => look());  // once it is on the page
  return whole;
}

function came({ began_at: when, seconds, failed, checked, mismatches, mismatched, leftovers, unprotected }) {
  const asked = `Checked ${moment(when)}, in ${duration(seconds)}`;
  if (failed) return [make("p", { class: "notice wrong" }, `${asked}: it could not be finished: ${failed}`)];
  const what = Object.entries(checked).map(([kind, many]) => `${number(many)} ${kind}`).join(", ");
  const rows = mismatches.map(({ path, problem }) => [code(path), make("span", { class: "wrong" }, problem)]), table = make("div");
  if (rows.length) shown(table, "What does not match", ["File", "Why"], rows);
  return [
    make("p", { class: mismatched ? "notice wrong" : "notice" }, `${asked}: ${what}. ${mismatched ? `${count(mismatched, "file does", "files do")} not match.` : "Everything matches."}`),
    table, mismatched > rows.length ? quiet(`The first ${number(rows.length)} of ${number(mismatched)}; atelier audit names all.`) : null,
    unprotected ? quiet(`${count(unprotected, "record")} of an older release without a digest: that one was changed may not show.`) : null,
    leftovers ? quiet(`${count(leftovers, "unfinished file")} of killed processes, which nobody reads.`) : null,
  ].filter(Boolean);
}
