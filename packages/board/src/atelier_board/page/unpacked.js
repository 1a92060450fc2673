/** A search as it is drawn, from what was told of it in few bytes; atelier_board/packed.py says how. */

const NONE = 65535;  // the step of what has no value

/**
 * trials: columns by name; curve(row): its values of the objective by epoch, NaN where there is none; inTime: the rows in the order of
 * their ends; spans: {row, from, to} of work, in seconds since the epoch.
 */
export function unpacked(told) {
  const packed = told.trials_by_column, { lengths, values, spans, from, to } = told.curves;
  const trials = { ...columns(packed), parameters: columns(packed.parameters) };
  const flat = numbers(values), ends = sums(column(lengths)), begins = numbers(from), stops = numbers(to);
  const owners = column(spans).flatMap((many, row) => Array(many).fill(row));
  return {
    ...told, trials, length: trials.trial.length,
    curve: row => flat.subarray(row ? ends[row - 1] : 0, ends[row]),
    inTime: [...numbers(told.in_time)].map(Math.round),
    spans: owners.map((row, index) => ({ row, from: begins[index], to: stops[index] })),
  };
}

/** Columns by name. */
export const columns = packed => Object.fromEntries(Object.entries(packed).filter(([name]) => name !== "parameters").map(([name, one]) => [name, column(one)]));

const column = packed => Array.isArray(packed) ? packed : Array.from(packed.rows, digit => packed.words[parseInt(digit, 36)]);

function numbers({ low, high, bytes, wide }) {
  const raw = Uint8Array.from(atob(bytes), letter => letter.charCodeAt(0)).buffer;
  return wide ? new Float64Array(raw) : Float64Array.from(new Uint16Array(raw), step => step === NONE ? NaN : low + (high - low) * step / (NONE - 1));
}

function sums(lengths) {
  let sum = 0;
  return lengths.map(length => sum += length);
}
