/** Where the page is, as its address says: #/s/SEARCH/t/TRIAL?name=value. Every view has an address that brings it back. */

const read = text => decodeURIComponent(text || "");

export function current() {
  const [path, query] = location.hash.replace(/^#/, "").split("?");
  const [, first, search, second, trial] = path.split("/");
  return { search: first === "s" ? read(search) : "", trial: second === "t" ? read(trial) : "", choices: new URLSearchParams(query) };
}

export const toSearch = name => `#/s/${encodeURIComponent(name)}`;

export const toTrial = (search, trial) => `${toSearch(search)}/t/${encodeURIComponent(trial)}`;

/** Keep a choice in the address; one that is usual is left out. */
export function keep(name, value, usual = "") {
  const { choices } = current(), [path] = location.hash.split("?");
  if (String(value) === String(usual)) choices.delete(name);
  else choices.set(name, value);
  history.replaceState(null, "", `${path || "#/"}${choices.size ? `?${choices}` : ""}`);
}

export const chosen = (name, usual = "") => current().choices.get(name) ?? usual;
