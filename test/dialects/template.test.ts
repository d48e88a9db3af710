import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { timestamp, writeInteger, writeNumber } from '../../lib/dialects/digits.js';
import {
  jsonTemplate,
  LIVE,
  LIVE_COUNT,
  slot,
  type Template,
  textTemplate,
} from '../../lib/dialects/template.js';

function render(template: Template, monoMs = 0, unixMs = 0, live = new Float64Array(LIVE_COUNT)): string {
  const out = new Uint8Array(template.capacity);
  return new TextDecoder().decode(out.subarray(0, template.render(out, { monoMs, unixMs, live })));
}

function written(write: (out: Uint8Array, at: number, value: number) => number, value: number): string {
  const out = new Uint8Array(40);
  return new TextDecoder().decode(out.subarray(0, write(out, 0, value)));
}

describe('digits', () => {
  it('write every integer as String does', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        expect(written(writeInteger, value)).toBe(String(value));
      }),
    );
    expect(written(writeInteger, 0)).toBe('0');
    expect(written(writeInteger, -3)).toBe('0');
  });

  it('write numbers with at most three decimals that read back as the rounded value', () => {
    fc.assert(
      fc.property(fc.double({ min: -1e9, max: 1e9, noNaN: true }), (value) => {
        const text = written(writeNumber, value);
        expect(Number(text)).toBeCloseTo(value, 2);
        expect(text).toMatch(/^-?\d+(\.\d{0,2}[1-9])?$/);
      }),
    );
    expect(written(writeNumber, 0.5)).toBe('0.5');
    expect(written(writeNumber, 125.3)).toBe('125.3');
    expect(written(writeNumber, 0.9996)).toBe('1');
    expect(written(writeNumber, Number.NaN)).toBe('null');
  });

  it('write the same timestamps as Date', () => {
    const times = fc.integer({ min: 0, max: Date.UTC(2999, 0, 1) });
    fc.assert(
      fc.property(times, (unixMs) => {
        expect(timestamp(unixMs)).toBe(new Date(unixMs).toISOString());
      }),
    );
    expect(timestamp(Date.UTC(2028, 1, 29, 23, 59, 59, 999))).toBe('2028-02-29T23:59:59.999Z');
  });
});

describe('a template', () => {
  it('fills clock and counter fields at the moment of the answer', () => {
    const live = new Float64Array(LIVE_COUNT);
    live[LIVE.errorRatePercent] = 0.5;
    const template = jsonTemplate({
      at: slot.timestamp,
      up: slot.secondsSince(1000),
      nested: { age: slot.millisecondsSince(4000.5), rate: slot.live(LIVE.errorRatePercent) },
      last: slot.timestamp,
    });
    const text = render(template, 5000, Date.UTC(2025, 9, 19), live);
    expect(text).toBe(
      '{"at":"2025-10-19T00:00:00.000Z","up":4,"nested":{"age":999,"rate":0.5},"last":"2025-10-19T00:00:00.000Z"}',
    );
  });

  it('follows a growing number with its length', () => {
    const template = jsonTemplate({ up: slot.secondsSince(0) });
    expect(render(template, 9999)).toBe('{"up":9}');
    expect(render(template, 10_000)).toBe('{"up":10}');
  });

  it('says the same whether it fills a buffer or overwrites the digits of the last answer', () => {
    const document = {
      at: slot.timestamp,
      up: slot.secondsSince(0),
      age: slot.millisecondsSince(10),
      active: slot.live(LIVE.activeRequests),
      rate: slot.live(LIVE.errorRatePercent),
    };
    const moments = fc.array(
      fc.record({
        mono: fc.oneof(fc.integer({ min: 10, max: 10_020 }), fc.double({ min: 10, max: 1e7, noNaN: true })),
        unix: fc.integer({ min: 0, max: 4e12 }),
        active: fc.oneof(fc.nat(12), fc.constant(Number.NaN)),
        rate: fc.constantFrom(0, 5, 10, 99.5, 0.125),
      }),
      { minLength: 2, maxLength: 20 },
    );
    fc.assert(
      fc.property(moments, (sequence) => {
        const patched = jsonTemplate(document);
        const out = new Uint8Array(patched.capacity);
        for (const { mono, unix, active, rate } of sequence) {
          const live = new Float64Array(LIVE_COUNT);
          live[LIVE.activeRequests] = active;
          live[LIVE.errorRatePercent] = rate;
          const length = patched.render(out, { monoMs: mono, unixMs: unix, live });
          const text = new TextDecoder().decode(out.subarray(0, length));
          expect(text).toBe(render(jsonTemplate(document), mono, unix, live));
        }
      }),
    );
  });

  it('leaves any text as JSON.stringify writes it', () => {
    const text = fc.string({ unit: 'grapheme' }).map((value) => value.replaceAll('\0', ''));
    fc.assert(
      fc.property(fc.dictionary(text, text), (document) => {
        expect(render(jsonTemplate({ at: slot.timestamp, document }))).toBe(
          `{"at":"1970-01-01T00:00:00.000Z","document":${JSON.stringify(document)}}`,
        );
      }),
    );
  });

  it('renders fixed text in UTF-8', () => {
    expect(render(textTemplate('größer'))).toBe('größer');
  });
});
