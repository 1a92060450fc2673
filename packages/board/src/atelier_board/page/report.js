/** A file that holds what a board would have answered: shows what the address names. */

import { at } from "./elements.js";
import { limitTo } from "./route.js";
import { viewOf } from "./views.js";

/** JSON that was compressed and written in base64, so that it takes a quarter of the file. */
async function held() {
  const packed = Uint8Array.from(atob(at("answers").textContent), letter => letter.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}

async function show() {
  const { home, answers } = await held();
  limitTo(home, Object.keys(answers));
  let view;
  const follow = () => {
    const next = viewOf(view), answer = answers[next.address];
    if (next === view) return;
    view = next;
    if (answer) view.update(answer);
    else at("state").textContent = "This file does not have it.";
  };
  addEventListener("hashchange", follow);
  follow();
}

show();
