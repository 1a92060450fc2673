/** The board: shows what the address names, and asks for it again while somebody may see it. */

import { at } from "./elements.js";
import { viewOf } from "./views.js";

const EVERY = 5000;  // milliseconds from an answer to the next question
let view;  // what is shown: {address, update}, and the ETag of what it shows
let due;  // the timer of the next question

function follow() {
  const next = viewOf(view);
  if (next === view) return;
  view = next;
  at("state").textContent = "Reading the store…";
  ask();
}

/** Ask once, and again after a while; never twice at a time, and not while nobody looks. */
async function ask() {
  clearTimeout(due);
  const asked = view;
  try {
    const answer = await fetch(asked.address, { cache: "no-store", headers: asked.etag ? { "If-None-Match": asked.etag } : {} });
    const content = answer.status === 304 ? undefined : await answer.json();
    if (asked !== view) return;
    notice(answer.ok || answer.status === 304 ? "" : content.detail);
    if (answer.ok) {
      asked.etag = answer.headers.get("ETag");
      asked.update(content);
      asked.isDone = asked.once;
    }
  } catch (error) {
    if (asked !== view) return;
    if (!(error instanceof TypeError)) throw error;  // fetch() throws these, if it reaches nobody
    notice("The board does not answer. It may have been ended; this page tries again.");
  } finally {
    if (asked === view && !document.hidden && !asked.isDone) due = setTimeout(ask, EVERY);
  }
}

function notice(text) {
  at("notice").hidden = !text;
  if (at("notice").textContent !== text) at("notice").textContent = text;
}

document.addEventListener("visibilitychange", () => document.hidden ? clearTimeout(due) : view.isDone || ask());
addEventListener("hashchange", follow);
follow();
