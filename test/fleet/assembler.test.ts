import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAssembler } from '../../lib/fleet/assembler.js';
import { createStopFilter } from '../../lib/fleet/stop-strings.js';
import { createUtf8Decoder } from '../../lib/fleet/utf8.js';

/** Cuts at the given places, which may repeat. */
function cut<T extends Uint8Array | string>(whole: T, cuts: readonly number[]): T[] {
  const places = [0, ...[...cuts].map((at) => at % (whole.length + 1)).sort((a, b) => a - b), whole.length];
  return places.slice(1).map((to, i) => whole.slice(places[i], to) as T);
}
const cuts = fc.array(fc.nat(1000), { maxLength: 20 });

describe('bytes to text', () => {
  it('is what a decoder makes of all bytes at once, however they are cut, also when they are not UTF-8', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.string({ unit: 'grapheme', maxLength: 20 }).map((text) => new TextEncoder().encode(text)),
      fc
        .array(
          fc.constantFrom(0xe0, 0xa0, 0x80, 0xed, 0x9f, 0xf0, 0x90, 0xf4, 0x8f, 0xc2, 0xef, 0xbb, 0xbf, 0x41),
        )
        .map((list) => Uint8Array.from(list)),
    );
    fc.assert(
      fc.property(bytes, cuts, (whole, places) => {
        const decoder = createUtf8Decoder();
        const text =
          cut(whole, places)
            .map((piece) => decoder.push(piece))
            .join('') + decoder.end();
        expect(text).toBe(new TextDecoder('utf-8', { ignoreBOM: true }).decode(whole));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('stop strings', () => {
  /** Character by character: the definition. */
  function byHand(text: string, stops: readonly string[]): string {
    for (let end = 1; end <= text.length; end += 1) {
      const hits = stops.filter((stop) => stop !== '' && text.slice(0, end).endsWith(stop));
      if (hits.length > 0) return text.slice(0, end - Math.max(...hits.map((stop) => stop.length)));
    }
    return text;
  }

  it('end the text at the same place however it is cut', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 30 });
    const stops = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 4 }), {
      maxLength: 3,
    });
    fc.assert(
      fc.property(letters, stops, cuts, (text, wanted, places) => {
        const filter = createStopFilter(wanted);
        const out =
          cut(text, places)
            .map((piece) => filter.push(piece))
            .join('') + filter.end();
        expect(out).toBe(byHand(text, wanted));
        expect(filter.matched !== null).toBe(
          out !== text || wanted.some((stop) => stop !== '' && text.endsWith(stop)),
        );
      }),
      { numRuns: 3000 },
    );
  });

  it('lets nothing out that may still become a stop string', () => {
    const filter = createStopFilter(['END', '\n\n']);
    expect(filter.push('one E')).toBe('one ');
    expect(filter.push('N')).toBe('');
    expect(filter.push('T')).toBe('ENT');
    expect(filter.push('\n')).toBe('');
    expect(filter.push('\nrest')).toBe('');
    expect(filter.matched).toBe('\n\n');
    expect(filter.push('more')).toBe('');
  });

  it('may be long and nearly match, without a cost that grows with their square', () => {
    const almost = 'a'.repeat(200_000);
    const filter = createStopFilter(Array.from({ length: 16 }, (_, more) => `${almost}a${'c'.repeat(more)}`));
    expect(filter.push(almost)).toBe('');
    expect(filter.push('b')).toBe(`${almost}b`);
    expect(filter.push(`${almost}ac`)).toBe('');
    expect(filter.matched).toBe(`${almost}a`);
  });
});

describe('the assembler', () => {
  it('gives nothing that it cannot be sure of to a client that leaves', () => {
    const assembler = createAssembler({ stop: ['STOP'] });
    expect(assembler.push(new TextEncoder().encode('go ST'))).toBe('go ');
    assembler.push(Uint8Array.of(0xf0, 0x9f));
    expect(assembler.end('cancelled')).toEqual({ text: '', reason: 'cancelled' });
  });

  it('gives back what it held when a choice ends, and says stop where a stop string matched', () => {
    const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
    const one = createAssembler({ stop: ['END'] });
    expect(one.push(encode('caf'))).toBe('caf');
    expect(one.push(Uint8Array.of(0xc3))).toBe('');
    expect(one.push(Uint8Array.of(0xa9, 0x45))).toBe('é');
    expect(one.end('length')).toEqual({ text: 'E', reason: 'length' });

    const two = createAssembler({ stop: ['END'] });
    expect(two.push(encode('x EN'))).toBe('x ');
    expect(two.push(encode('D y'))).toBe('');
    expect(two.isStopped).toBe(true);
    expect(two.end('length')).toEqual({ text: '', reason: 'stop' });
  });
});
