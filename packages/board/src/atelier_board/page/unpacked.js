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

function column(packed) {
  if (Array.isArray(packed)) return packed;
  if (packed.words) return Array.from(packed.rows, digit => packed.words[parseInt(digit, 36)]);
  if (packed.of) return Array.from({ length: packed.of }, (_, row) => row < packed.counted ? row + 1 : null);
  const found = packed.keys ? keys(raw(packed.keys)) : Array.from(new Uint32Array(raw(packed.numbers)), one => packed.before + String(one).padStart(packed.width, "0"));
  for (const [row, other] of Object.entries(packed.others)) found[row] = other;
  return found;
}

function keys(content) {
  const digits = Array.from(new Uint8Array(content), one => one.toString(16).padStart(2, "0"));
  return Array.from({ length: digits.length / 8 }, (_, row) => digits.slice(8 * row, 8 * row + 8).join(""));
}

const raw = bytes => Uint8Array.from(atob(bytes), letter => letter.charCodeAt(0)).buffer;

function numbers({ low, high, bytes, wide }) {
  const content = raw(bytes);
  return wide ? new Float64Array(content) : Float64Array.from(new Uint16Array(content), step => step === NONE ? NaN : low + (high - low) * step / (NONE - 1));
}

function sums(lengths) {
  let sum = 0;
  return lengths.map(length => sum += length);
}
