const ZERO = 48;

/** Writes a non-negative integer in decimal at `at`; returns the position after it. Allocation-free. */
export function writeInteger(out: Uint8Array, at: number, value: number): number {
  let rest = value >= 0 ? Math.floor(value) : 0;
  let digits = 1;
  for (let bound = 10; rest >= bound; bound *= 10) digits += 1;
  for (let index = at + digits - 1; index >= at; index -= 1) {
    const quotient = Math.floor(rest / 10);
    out[index] = ZERO + (rest - quotient * 10);
    rest = quotient;
  }
  return at + digits;
}

/** Overwrites an integer of `width` digits; false, and nothing written, where the value has another width or is no integer. */
export function patchInteger(out: Uint8Array, at: number, width: number, value: number): boolean {
  if (value < 0 || value >= (POWERS[width] ?? 0)) return false;
  if (value < (POWERS[width - 1] ?? 0) && width > 1) return false;
  if (Math.floor(value) !== value) return false;
  writePadded(out, at, value, width);
  return true;
}

const POWERS = Float64Array.from({ length: 16 }, (_, exponent) => 10 ** exponent);

/** Writes a number with up to three decimals and no trailing zeros; not finite is written as `null`. */
export function writeNumber(out: Uint8Array, at: number, value: number): number {
  let position = at;
  if (!Number.isFinite(value)) {
    out[position++] = 110;
    out[position++] = 117;
    out[position++] = 108;
    out[position++] = 108;
    return position;
  }
  let magnitude = value;
  if (value < 0) {
    out[position++] = 45;
    magnitude = -value;
  }
  const thousandths = Math.round(magnitude * 1000);
  const whole = Math.floor(thousandths / 1000);
  let fraction = thousandths - whole * 1000;
  position = writeInteger(out, position, whole);
  if (fraction === 0) return position;
  out[position++] = 46;
  for (let unit = 100; fraction > 0; unit /= 10) {
    const digit = Math.floor(fraction / unit);
    out[position++] = ZERO + digit;
    fraction -= digit * unit;
  }
  return position;
}

function writePadded(out: Uint8Array, at: number, value: number, width: number): number {
  let rest = value;
  for (let index = at + width - 1; index >= at; index -= 1) {
    const quotient = Math.floor(rest / 10);
    out[index] = ZERO + (rest - quotient * 10);
    rest = quotient;
  }
  return at + width;
}

/** Length of `2025-10-19T12:34:56.789Z`. */
export const TIMESTAMP_BYTES = 24;

/**
 * Writes an RFC 3339 timestamp in UTC with milliseconds. `Date` would allocate a string on the probe path.
 * Days to civil date after Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
 */
export function writeTimestamp(out: Uint8Array, at: number, unixMs: number): number {
  const totalMs = Math.floor(unixMs);
  const days = Math.floor(totalMs / 86_400_000);
  let rest = totalMs - days * 86_400_000;
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1;
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);

  let position = writePadded(out, at, year, 4);
  out[position++] = 45;
  position = writePadded(out, position, month, 2);
  out[position++] = 45;
  position = writePadded(out, position, day, 2);
  out[position++] = 84;
  const hours = Math.floor(rest / 3_600_000);
  rest -= hours * 3_600_000;
  position = writePadded(out, position, hours, 2);
  out[position++] = 58;
  const minutes = Math.floor(rest / 60_000);
  rest -= minutes * 60_000;
  position = writePadded(out, position, minutes, 2);
  out[position++] = 58;
  const seconds = Math.floor(rest / 1000);
  position = writePadded(out, position, seconds, 2);
  out[position++] = 46;
  position = writePadded(out, position, rest - seconds * 1000, 3);
  out[position++] = 90;
  return position;
}

const scratch = new Uint8Array(TIMESTAMP_BYTES);

/** The same as a string, for what is rendered only on change. */
export function timestamp(unixMs: number): string {
  writeTimestamp(scratch, 0, unixMs);
  return String.fromCharCode(...scratch);
}
