/** The token that the server may ask for: kept in this tab until it is closed, and sent with whatever the page asks. */

import { at } from "./elements.js";
import { asker } from "./questions.js";

const KEY = `atelier-token ${new URL(document.baseURI).pathname}`;  // the same host may have other servers at other paths

export const hasToken = () => sessionStorage.getItem(KEY) !== null;

const asked = asker("server", { gone: "It may be restarting, or the network is down." });

/** Ask the server, with the token if there is one. */
export function ask(path, { headers = {}, ...options } = {}) {
  const authorization = hasToken() ? { Authorization: `Bearer ${bytes(sessionStorage.getItem(KEY))}` } : {};
  return asked(path, { ...options, headers: { ...headers, ...authorization } });
}

/** A header holds bytes; a letter that is none would be a failure of the network, and not a wrong token. */
const bytes = text => String.fromCharCode(...new TextEncoder().encode(text));

/** Show the field, which says so if the token that was sent is a wrong one; over when somebody has given another. */
export function givenToken() {
  const field = at("token");
  complain(hasToken() ? "The server does not accept this token." : "");
  sessionStorage.removeItem(KEY);
  at("locked").hidden = false;
  field.focus();
  field.select();
  return new Promise(resolve => {
    at("unlock").onsubmit = event => {
      event.preventDefault();
      const token = field.value.trim();
      if (!token) return complain("Is missing.");
      sessionStorage.setItem(KEY, token);
      resolve();
    };
  });
}

/** The field is no longer needed, and no longer holds the token. */
export function unlock() {
  if (at("locked").hidden) return;
  at("token").value = "";
  at("locked").hidden = true;
  complain("");
}

function complain(words) {
  const field = at("token");
  at("token-wrong").textContent = words;
  for (const [name, value] of [["aria-invalid", "true"], ["aria-describedby", "token-wrong"]]) {
    if (words) field.setAttribute(name, value);
    else field.removeAttribute(name);
  }
}
