import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJson64, stringifyJson64 } from '../../lib/discovery/json64.js';

describe('JSON with integers of 64 bits', () => {
  it('keeps all digits both ways', () => {
    const text =
      '{"a":18446744073709551615,"b":[-9223372036854775808,9007199254740993],"c":"7587888160958627365"}';
    expect(parseJson64(text)).toEqual({
      a: 18446744073709551615n,
      b: [-9223372036854775808n, 9007199254740993n],
      c: '7587888160958627365',
    });
    expect(stringifyJson64(parseJson64(text))).toBe(text);
  });

  it('leaves numbers that are exact, fractions and exponents as they are', () => {
    const text = '[1,9007199254740991,1234567890123456,0.1234567890123456789,1e300,-0.5]';
    expect(parseJson64(text)).toEqual(JSON.parse(text));
  });

  it('reads digits in strings and names as text, and refuses what is not JSON as JSON.parse does', () => {
    const text = '{"1234567890123456789":"a\\\\\\" 1234567890123456789 ,12345678901234567890"}';
    expect(parseJson64(text)).toEqual(JSON.parse(text));
    for (const bad of [
      '{"a":12345678901234567890',
      '01234567890123456789',
      '12345678901234567890 x',
      '[12345678901234567890,]',
    ])
      expect(() => parseJson64(bad)).toThrow(SyntaxError);
  });

  it('refuses a string without an end at once, however many quotes it has', () => {
    const bad = `{"id":12345678901234567890,"a":"${'\\"'.repeat(125_000)}`;
    const startedMs = performance.now();
    expect(() => parseJson64(bad)).toThrow(SyntaxError);
    expect(performance.now() - startedMs).toBeLessThan(10_000);
  });

  it('agrees with JSON.parse on whatever has no large integer, and gives back what it wrote', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 3 }), (text) => {
        fc.pre(!/\d{16}/.test(text));
        expect(parseJson64(text)).toEqual(JSON.parse(text));
      }),
    );
    const leaf = fc.oneof(
      fc.bigInt({ min: 1n << 53n, max: (1n << 64n) - 1n }),
      fc.string(),
      fc.integer(),
      fc.boolean(),
    );
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.oneof(leaf, fc.array(leaf))), (value) => {
        const copy = Object.fromEntries(Object.entries(value).filter(([key]) => key !== '__proto__'));
        expect(parseJson64(stringifyJson64(copy))).toEqual(copy);
      }),
    );
  });
});
