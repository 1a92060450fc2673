/** Which trials are shown: those that have every word, and hold every bound on a column. Every view shows the same. */

const BOUND = /^([^<>=]+)(<=|>=|<|>|=)(.+)$/;
const HOLDS = { "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b };

const wordsOf = wanted => wanted.split(/\s+/).filter(Boolean);

/** The rows, and for each of all rows whether it is among them. */
export function matching(columns, length, wanted) {
  const tests = wordsOf(wanted).map(word => test(word.toLowerCase(), columns));
  const rows = Array.from({ length }, (_, row) => row).filter(row => tests.every(holds => holds(row))), has = new Uint8Array(length);
  for (const row of rows) has[row] = 1;
  return { rows, has };
}

function test(word, columns) {
  const [, name, sign, bound] = word.match(BOUND) || [], column = columns.find(one => one.name.toLowerCase() === name);
  if (!column) return row => textOf(columns, row).includes(word);
  if (sign !== "=") return row => !isEmpty(column.at(row)) && HOLDS[sign](Number(column.at(row)), Number(bound));
  const choices = bound.split("|");
  return row => choices.some(choice => isSame(column.at(row), choice));
}

const texts = new WeakMap();  // by columns: of each row all values, as words are looked for in them

function textOf(columns, row) {
  if (!texts.has(columns)) texts.set(columns, []);
  return texts.get(columns)[row] ??= columns.map(one => one.at(row) ?? "").join("\n").toLowerCase();
}

const isSame = (found, choice) => String(found ?? "").toLowerCase() === choice || (choice !== "" && !isEmpty(found) && Number(found) === Number(choice));

export const isEmpty = value => value === null || value === undefined || value === "";

/** The bounds on a column, as [sign, bound]. */
export const boundsOn = (wanted, name) => wordsOf(wanted).map(word => word.match(BOUND)).filter(found => found && found[1].toLowerCase() === name.toLowerCase()).map(([, , sign, bound]) => [sign, bound]);

/** What is wanted, with other bounds on a column: words as name<1; none lift them. */
export const bounded = (wanted, name, words) => [...wordsOf(wanted).filter(word => word.match(BOUND)?.[1].toLowerCase() !== name.toLowerCase()), ...words].join(" ");
