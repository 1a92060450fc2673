/** Where the page is, as its address says: #/s/SEARCH/t/TRIAL?name=value. Every view has an address that brings it back. */

import { make } from "./elements.js";

const read = text => decodeURIComponent(text || "");

let home = "#/";  // where an address without a place leads to
let held;  // the addresses of what there is to show; of a board everything

/** A file has only some views, and begins with one of them. */
export function limitTo(first, addresses) {
  home = first;
  held = addresses;
}

export const has = address => !held || held.includes(address);

const place = () => location.hash.length > 1 ? location.hash : home;

export function current(hash = place()) {
  const [path, query] = hash.replace(/^#/, "").split("?"), choices = new URLSearchParams(query);
  const [, first, name, second, trial] = path.split("/");
  if (first === "s") return { view: second === "t" ? "trial" : "search", search: read(name), trial: second === "t" ? read(trial) : "", choices };
  if (first === "compare") return { view: "compare", a: choices.get("a") || "", b: choices.get("b") || "", choices };
  return { view: ["models", "audit"].includes(first) ? first : "searches", choices };
}

/** What a view asks for: of a board below its own address, and of a file by this name. */
export function addressOf({ view, search, trial, a, b }) {
  if (view === "compare" && a && b) return `api/compare?${new URLSearchParams({ a, b })}`;
  if (view === "models" || view === "audit") return `api/${view}`;
  return ["api/searches", search, trial && "trials", trial].filter(Boolean).map((part, index) => index ? encodeURIComponent(part) : part).join("/");
}

export const toSearch = name => `#/s/${encodeURIComponent(name)}`;

export const toTrial = (search, trial) => `${toSearch(search)}/t/${encodeURIComponent(trial)}`;

export const toCompare = (a, b) => `#/compare?${new URLSearchParams({ a, b })}`;

export const toModels = "#/models";

export const toAudit = "#/audit";

const leads = href => has(addressOf(current(href)));

/** A link to a view, if there is one. */
export const link = (href, ...content) => leads(href) ? make("a", { href }, ...content) : make("span", {}, ...content);

export function open(href) {
  if (leads(href)) location.hash = href;
}

/** Keep a choice in the address; one that is usual is left out. */
export function keep(name, value, usual = "") {
  const { choices } = current(), [path] = place().split("?");
  if (String(value) === String(usual)) choices.delete(name);
  else choices.set(name, value);
  history.replaceState(null, "", `${path}${choices.size ? `?${choices}` : ""}`);
}

export const chosen = (name, usual = "") => current().choices.get(name) ?? usual;
