import { patchInteger, TIMESTAMP_BYTES, writeInteger, writeNumber, writeTimestamp } from './digits.js';

/** The moment of an answer. `live` holds the numbers that change with every request; see {@link LIVE}. */
export interface Moment {
  monoMs: number;
  unixMs: number;
  readonly live: Float64Array;
}

/** Indices into `Moment.live`. */
export const LIVE = {
  activeRequests: 0,
  totalRequests: 1,
  errorRatePercent: 2,
  avgResponseMs: 3,
  p50ResponseMs: 4,
  p95ResponseMs: 5,
  p99ResponseMs: 6,
  tokensPerSecond: 7,
  loopBusyMs: 8,
  loadAdmitted: 9,
  loadQueued: 10,
  loadRejected: 11,
  loadRunning: 12,
  loadWaiting: 13,
  loadKvBlocksUsed: 14,
  loadKvBlocksTotal: 15,
  loadPrefillTokens: 16,
  loadAgeMs: 17,
} as const;
export const LIVE_COUNT = 18;

/**
 * Clock fields as placeholders inside a document: NUL never survives into a document from outside (names and messages
 * are stripped of it), so a placeholder cannot be forged.
 */
export const slot = {
  timestamp: '\0t\0',
  /** Whole seconds since a monotonic time. */
  secondsSince: (monoMs: number): string => `\0s${monoMs}\0`,
  /** Nanoseconds of the second that `secondsSince` leaves out, 0 to 999999999. */
  nanosSince: (monoMs: number): string => `\0n${monoMs}\0`,
  /** Whole milliseconds since a monotonic time. */
  millisecondsSince: (monoMs: number): string => `\0a${monoMs}\0`,
  live: (index: number): string => `\0l${index}\0`,
} as const;

const PLACEHOLDER = /"?\\u0000([tsanl])([-\d.e+]*)\\u0000"?/;
/** Longest number `writeNumber` produces: sign, 22 digits of 1e21, point, three decimals. */
const NUMBER_BYTES = 27;

const LIVE_PLACEHOLDER = /\0l(\d+)\0/;

const TIMESTAMP = 0;
const SECONDS = 1;
const MILLISECONDS = 2;
const LIVE_NUMBER = 3;
const NANOSECONDS = 4;

const KINDS: Readonly<Record<string, number>> = {
  t: TIMESTAMP,
  s: SECONDS,
  a: MILLISECONDS,
  n: NANOSECONDS,
  l: LIVE_NUMBER,
};

/** Of a double in milliseconds; from a year on its last digits are noise. */
function nanosOf(elapsedMs: number): number {
  const fraction = elapsedMs - Math.floor(elapsedMs / 1000) * 1000;
  return Math.min(999_999_999, Math.max(0, Math.floor(fraction * 1e6)));
}

/** A body whose text is fixed but for its clock and counter fields. */
export interface Template {
  readonly capacity: number;
  /** Fills `out` (at least `capacity` long) for this moment and returns the length. Allocation-free. */
  render(out: Uint8Array, moment: Moment): number;
}

export const EMPTY: Template = { capacity: 0, render: () => 0 };

export function textTemplate(text: string): Template {
  const bytes = new TextEncoder().encode(text);
  return {
    capacity: bytes.length,
    render(out) {
      out.set(bytes);
      return bytes.length;
    },
  };
}

/** Text with placeholders of `slot.live`. Encodes anew with every answer: for texts that people read. */
export function liveTextTemplate(text: string): Template {
  const encoder = new TextEncoder();
  const parts = text.split(LIVE_PLACEHOLDER);
  return {
    capacity: encoder.encode(text).length + (parts.length >> 1) * NUMBER_BYTES,
    render(out, { live }) {
      const filled = parts.map((part, index) => (index % 2 === 0 ? part : String(live[Number(part)] ?? 0)));
      const bytes = encoder.encode(filled.join(''));
      out.set(bytes);
      return bytes.length;
    },
  };
}

/**
 * Compiles a document with placeholders of {@link slot} into a template of compact JSON.
 *
 * A second call with the same buffer overwrites only the digits: copying the fixed text of a large document again was
 * most of its cost. The caller must therefore leave the buffer to the template between calls.
 */
export function jsonTemplate(document: unknown): Template {
  const { texts, kinds, parameters, capacity } = compile(document);
  const slots = kinds.length;
  const positions = new Uint32Array(slots);
  const widths = new Uint8Array(slots);
  let filled: Uint8Array | null = null;
  let length = 0;

  function slotValue(index: number, moment: Moment): number {
    const parameter = parameters[index] ?? 0;
    switch (kinds[index]) {
      case TIMESTAMP:
        return moment.unixMs;
      case SECONDS:
        return Math.floor((moment.monoMs - parameter) / 1000);
      case MILLISECONDS:
        return Math.floor(moment.monoMs - parameter);
      case NANOSECONDS:
        return nanosOf(moment.monoMs - parameter);
      default:
        return moment.live[parameter] ?? Number.NaN;
    }
  }

  function fill(out: Uint8Array, moment: Moment): number {
    let position = 0;
    for (let index = 0; index <= slots; index += 1) {
      const bytes = texts[index] as Uint8Array;
      out.set(bytes, position);
      position += bytes.length;
      if (index === slots) break;
      positions[index] = position;
      const value = slotValue(index, moment);
      if (kinds[index] === TIMESTAMP) position = writeTimestamp(out, position, value);
      else if (kinds[index] === LIVE_NUMBER) position = writeNumber(out, position, value);
      else position = writeInteger(out, position, value);
      widths[index] = position - (positions[index] as number);
    }
    return position;
  }

  /** False when a number has become wider or narrower, or has decimals: then the text behind it has to move. */
  function patch(out: Uint8Array, moment: Moment): boolean {
    for (let index = 0; index < slots; index += 1) {
      const value = slotValue(index, moment);
      const position = positions[index] as number;
      if (kinds[index] === TIMESTAMP) writeTimestamp(out, position, value);
      else if (!patchInteger(out, position, widths[index] as number, value)) return false;
    }
    return true;
  }

  return {
    capacity,
    render(out, moment) {
      if (out === filled && patch(out, moment)) return length;
      length = fill(out, moment);
      filled = out;
      return length;
    },
  };
}

interface Compiled {
  /** One more than there are slots. */
  readonly texts: readonly Uint8Array[];
  readonly kinds: Uint8Array;
  readonly parameters: Float64Array;
  readonly capacity: number;
}

function compile(document: unknown): Compiled {
  const encoder = new TextEncoder();
  const parts = JSON.stringify(document).split(PLACEHOLDER);
  const texts: Uint8Array[] = [];
  const kinds: number[] = [];
  const parameters: number[] = [];
  let capacity = 0;
  for (let index = 0; index < parts.length; index += 3) {
    const kind = parts[index + 1];
    const isTimestamp = kind === 't';
    // A timestamp keeps the quotes that the split took with the placeholder; numbers lose them.
    const opened = index > 0 && parts[index - 2] === 't' ? '"' : '';
    const bytes = encoder.encode(`${opened}${parts[index] ?? ''}${isTimestamp ? '"' : ''}`);
    texts.push(bytes);
    capacity += bytes.length;
    if (kind === undefined) break;
    kinds.push(KINDS[kind] ?? LIVE_NUMBER);
    parameters.push(Number(parts[index + 2] || 0));
    capacity += isTimestamp ? TIMESTAMP_BYTES : NUMBER_BYTES;
  }
  return { texts, kinds: Uint8Array.from(kinds), parameters: Float64Array.from(parameters), capacity };
}
