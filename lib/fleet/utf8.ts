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

/** Longest token that takes the short way: most are of a few ASCII bytes. */
const SHORT = 32;

export function createUtf8Decoder(): Utf8Decoder {
  // Made for each end of a character that is cut; `ignoreBOM`, since a byte order mark inside a stream is a character.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let held = new Uint8Array(0);

  return {
    push(bytes) {
      if (held.length === 0) {
        const short = bytes.length <= SHORT ? ascii(bytes) : null;
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

function ascii(bytes: Uint8Array): string | null {
  let text = '';
  for (let i = 0; i < bytes.length; i += 1) {
    const byte = bytes[i] as number;
    if (byte > 0x7f) return null;
    text += String.fromCharCode(byte);
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
