/**
 * Bytes of tokens to text. A token may end in the middle of a character; what is missing comes with the next one. The text
 * is that of the WHATWG decoder over all bytes at once, however they were cut into tokens.
 */
export interface Utf8Decoder {
  /** The characters that are complete by now. */
  push(bytes: Uint8Array): string;
  /** What is still held back, as U+FFFD. */
  end(): string;
}

/** Longest token that is decoded by hand, in a fifth of the time: most are of a few bytes. */
const SHORT = 32;
/** Keeps no state between calls. `ignoreBOM`: inside a stream a byte order mark is a character. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

export function createUtf8Decoder(): Utf8Decoder {
  let held = new Uint8Array(0);

  return {
    push(bytes) {
      if (held.length === 0) {
        const short = bytes.length <= SHORT ? decodeShort(bytes) : null;
        if (short !== null) return short;
      }
      const all = held.length === 0 ? bytes : join(held, bytes);
      const incomplete = incompleteTail(all);
      held = incomplete === 0 ? EMPTY : all.slice(all.length - incomplete);
      return decoder.decode(incomplete === 0 ? all : all.subarray(0, all.length - incomplete));
    },
    end() {
      const rest = held;
      held = EMPTY;
      return rest.length === 0 ? '' : decoder.decode(rest);
    },
  };
}

const EMPTY = new Uint8Array(0);

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** Null: not whole, valid characters only; the decoder knows better. */
function decodeShort(bytes: Uint8Array): string | null {
  let text = '';
  for (let i = 0; i < bytes.length; ) {
    const lead = bytes[i] as number;
    if (lead < 0x80) {
      text += String.fromCharCode(lead);
      i += 1;
      continue;
    }
    const wanted = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    if (wanted === 0 || i + wanted > bytes.length || !isSecond(lead, bytes[i + 1] as number)) return null;
    let code = lead & (0xff >> (wanted + 1));
    for (let at = i + 1; at < i + wanted; at += 1) {
      const byte = bytes[at] as number;
      if ((byte & 0xc0) !== 0x80) return null;
      code = (code << 6) | (byte & 0x3f);
    }
    text += String.fromCodePoint(code);
    i += wanted;
  }
  return text;
}

/** Length of a character at the end that is right so far but not complete, 0 to 3. */
function incompleteTail(bytes: Uint8Array): number {
  const end = bytes.length;
  for (let back = 1; back <= Math.min(3, end); back += 1) {
    const lead = bytes[end - back] as number;
    if (lead < 0x80) return 0;
    if (lead < 0xc0) continue;
    const wanted = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || wanted <= back) return 0;
    return back === 1 || isSecond(lead, bytes[end - back + 1] as number) ? back : 0;
  }
  return 0;
}

/** The second byte has narrower bounds after some leads: no overlong forms, no surrogates, nothing above U+10FFFF. */
function isSecond(lead: number, second: number): boolean {
  const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  return second >= lowest && second <= highest;
}
