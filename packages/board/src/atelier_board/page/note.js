/** What a person says of a trial, and whether it has a star; kept in the store. */

import { ask } from "./asking.js";
import { make } from "./elements.js";
import { Unanswered } from "./questions.js";
import { has } from "./route.js";

/** The result takes the trial; what is being written stays until it is saved. */
export function noteView(root) {
  const star = make("input", { id: "starred", type: "checkbox" }), text = make("textarea", { id: "note", rows: 3, maxlength: 10000 });
  const save = make("button", { type: "submit" }, "Save"), said = make("span", { role: "status" });
  const form = make("form", {}, make("p", {}, make("label", { class: "check", for: "starred" }, star, "A star")), make("label", { for: "note" }, "Note"), text, make("p", { class: "buttons" }, save, said));
  root.replaceChildren(form);
  let key, touched = false;
  form.addEventListener("input", () => {
    touched = true;
    said.textContent = "Not saved yet.";
  });
  form.addEventListener("submit", async event => {
    event.preventDefault();
    said.textContent = await saved(key, { starred: star.checked, text: text.value });
    touched = said.textContent !== "Saved.";
  });
  return trial => {
    ({ key } = trial);
    const { starred, text: before } = trial.note || { starred: false, text: "" };
    if (!touched) [star.checked, text.value] = [starred, before];
    save.hidden = !has(`api/notes/${key}`);
    star.disabled = text.disabled = save.hidden || !key;
  };
}

async function saved(key, note) {
  try {
    await ask(`api/notes/${key}`, { method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify(note) });
    return "Saved.";
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error;
    return `It is not saved. ${error.message}`;
  }
}
