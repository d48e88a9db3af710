import { describe, expect, it } from 'vitest';
import { decodeBeacon } from '../../lib/wire/beacon.js';
import { decodeFrame, encodeFrame, type Frame } from '../../lib/wire/frames.js';
import { requestIdOf, traceparentOf } from '../../lib/wire/headers.js';
import { createLineSplitter } from '../../lib/wire/lines.js';

describe('frames', () => {
  const FRAMES: Frame[] = [
    { type: 'prompt', tokens: 3, ids: [1, 2, 0x7fffffff] },
    { type: 'prompt', tokens: 3, ids: null },
    { type: 'token', seq: 0, tokenId: -1, bytes: Buffer.from([]) },
    { type: 'token', seq: 7, tokenId: 42, bytes: Buffer.from([0xc3, 0x00, 0xff]) },
    { type: 'progress' },
    { type: 'finish', reason: 'length', length: 8 },
    { type: 'error', outcome: 'draining', message: 'bye "\n' },
  ];

  it.each(FRAMES)('come back as they went: $type', (frame) => {
    const line = encodeFrame(frame);
    expect(line.endsWith('\n')).toBe(true);
    expect(line.indexOf('\n')).toBe(line.length - 1);
    expect(decodeFrame(line.trimEnd())).toEqual(frame);
  });

  it.each([
    'no JSON',
    'null',
    '7',
    '"x"',
    '{}',
    '[]',
    '[0,1]',
    '[-1,1,"QQ=="]',
    '[0,1.5,"QQ=="]',
    '[0,-2,"QQ=="]',
    '[0,4294967296,"QQ=="]',
    '[0,1,7]',
    '{"finish":"enough","length":1}',
    '{"finish":"stop"}',
    '{"prompt":{"tokens":-1,"ids":null}}',
    '{"prompt":{"tokens":1,"ids":["a"]}}',
    '{"error":{"outcome":"no_workers","message":"not for a worker to say"}}',
    '{"error":{"outcome":"reset"}}',
  ])('are refused where they are none: %s', (line) => {
    expect(() => decodeFrame(line)).toThrow(/^expected a frame, got/);
  });

  it('are refused with a message that does not grow with them', () => {
    expect(() => decodeFrame(`["${'x'.repeat(10_000)}"]`)).toThrow(/^.{0,130}$/);
  });
});

describe('lines', () => {
  const split = (chunks: readonly string[]): string[] => {
    const lines: string[] = [];
    const push = createLineSplitter((line) => lines.push(line));
    for (const chunk of chunks) push(Buffer.from(chunk, 'latin1'));
    return lines;
  };

  it('are the same however the bytes are cut, and the rest is none', () => {
    const bytes = Buffer.from('one\n\nzwö\nthree\nhal').toString('latin1');
    for (let size = 1; size <= bytes.length; size += 1) {
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
        bytes.slice(i * size, (i + 1) * size),
      );
      expect(split(chunks)).toEqual(['one', 'zwö', 'three']);
    }
  });

  it('longer than 8 MiB are an error, and cost no square on the way', () => {
    const push = createLineSplitter(() => undefined);
    const chunk = Buffer.alloc(64 * 1024, 'x');
    expect(() => {
      for (let i = 0; i < 200; i += 1) push(chunk);
    }).toThrow(/more than 8388608/);
  });
});

describe('beacons', () => {
  const beacon = {
    ...{ worker: 'a', incarnation: 'i', model: 'm', state: 'serving', ready: true },
    ...{ engineStep: 1, running: 1, waiting: 0, scheduledTokens: 1, activeTokens: 0 },
    ...{ kvBlocksUsed: 0, kvBlocksTotal: 0, expectedStepMs: 0 },
  };

  it('are taken with fields that a newer worker adds', () => {
    expect(decodeBeacon(JSON.stringify({ ...beacon, added: 1 }))).toMatchObject(beacon);
  });

  it.each([
    ['not JSON', /expected a beacon/],
    ['[]', /worker to be a string/],
    [JSON.stringify({ ...beacon, incarnation: 7 }), /incarnation to be a string/],
    [JSON.stringify({ ...beacon, running: null }), /running to be a number/],
    [JSON.stringify({ ...beacon, state: 'gone' }), /serving or draining/],
    [JSON.stringify({ ...beacon, ready: 'yes' }), /ready to be true or false/],
    [JSON.stringify({ ...beacon, prefillTokens: '7' }), /prefillTokens to be a number from 0, or absent/],
    [JSON.stringify({ ...beacon, activeTokens: -1 }), /activeTokens to be a number from 0/],
    [JSON.stringify(beacon).replace('"kvBlocksUsed":', '"kvBlocksUsed":1e999,"was":'), /kvBlocksUsed/],
    [JSON.stringify({ ...beacon, worker: '' }), /worker to be a string of 1/],
  ])('are refused with the field that is wrong: %s', (line, message) => {
    expect(() => decodeBeacon(line)).toThrow(message);
  });
});

describe('headers', () => {
  it('keep a request id that is one, and replace any other', () => {
    expect(requestIdOf({ 'x-request-id': 'a.b:c-1' })).toBe('a.b:c-1');
    for (const bad of ['', 'a b', 'x\n', 'ä', 'x'.repeat(161)])
      expect(requestIdOf({ 'x-request-id': bad })).toMatch(/^req-[0-9a-f]{24}$/);
    expect(requestIdOf({ 'x-request-id': 'x'.repeat(129) }, 128)).toMatch(/^req-/);
  });

  it('pass a traceparent on only in its form', () => {
    const good = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    expect(traceparentOf({ traceparent: good })).toBe(good);
    for (const bad of [
      good.toUpperCase(),
      `${good}-x`,
      good.replace('00-', 'ff-'),
      good.replaceAll('a', '0'),
      good.replaceAll('b', '0'),
    ])
      expect(traceparentOf({ traceparent: bad })).toBe(null);
  });
});
