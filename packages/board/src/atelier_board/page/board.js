/** The board: shows what the address names, and asks for it again while somebody may see it. */

import { ask } from "./asking.js";
import { at, say } from "./elements.js";
import { Unanswered, inWords } from "./questions.js";
import { viewOf } from "./views.js";

const EVERY = 5000;  // milliseconds from an answer to the next question
let view;  // what is shown: {address, update}, and the ETag of what it shows
let due;  // the timer of the next question

function follow() {
  const next = viewOf(view);
  if (next === view) return;
  view = next;
  at("state").textContent = "Reading the store…";
  look();
}

/** Ask once, and again after a while; never twice at a time, and not while nobody looks. */
async function look() {
  clearTimeout(due);
  const asked = view;
  try {
    const { content, etag } = await ask(asked.address, asked.etag ? { headers: { "If-None-Match": asked.etag } } : {});
    if (asked !== view) return;
    if (content !== undefined) asked.update(content);
    [asked.etag, asked.isDone] = [etag, asked.once];  // not before it is shown
    notice("");
  } catch (error) {
    if (asked !== view) return;
    notice(inWords(error));
    if (!(error instanceof Unanswered)) throw error;
  } finally {
    if (asked === view && !document.hidden && !asked.isDone) due = setTimeout(look, EVERY);
  }
}

const notice = text => say("notice", text);

document.addEventListener("visibilitychange", () => document.hidden ? clearTimeout(due) : view.isDone || look());
addEventListener("hashchange", follow);
follow();
