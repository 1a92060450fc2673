/** The axis of a parameter: where its values stand on it, whether it is logarithmic, and the names of choices. */

/** {name, names, log, place}: place turns a value into a number, NaN if it has none; of choices the number of one, from 0. */
export function axisOf({ name, parameter_type: kind, feasible_space: space }) {
  if (kind === "categorical" || space.list) {
    const order = new Map(space.list.flatMap((choice, index) => [[choice, index], [Number(choice), index]]));
    return { name, names: space.list, log: false, place: found => isNone(found) ? NaN : order.get(String(found)) ?? order.get(Number(found)) ?? NaN };
  }
  return { name, log: (space.distribution || "").startsWith("log") && Number(space.min) > 0, low: Number(space.min), high: Number(space.max), place: found => isNone(found) ? NaN : Number(found) };
}

const isNone = found => found === null || found === undefined || found === "";
