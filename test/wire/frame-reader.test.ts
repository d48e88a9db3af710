import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFrameReader } from '../../lib/wire/frame-reader.js';
import { decodeFrame, encodeFrame, type Frame } from '../../lib/wire/frames.js';

/** What is read of bytes in pieces, and the error that ended it. */
function read(bytes: Buffer, cuts: readonly number[] = []): { frames: Frame[]; error: string | null } {
  const frames: Frame[] = [];
  const push = createFrameReader({
    // What is handed over is used again for the next token.
    token: (seq, tokenId, bytes) => frames.push({ type: 'token', seq, tokenId, bytes: Buffer.from(bytes) }),
    frame: (frame) => frames.push(frame),
  });
  try {
    let from = 0;
    for (const to of [...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
      push(bytes.subarray(from, to));
      from = to;
    }
  } catch (error) {
    return { frames, error: (error as Error).message };
  }
  return { frames, error: null };
}

/** The same by the slow way: line by line. */
function decoded(bytes: Buffer): { frames: Frame[]; error: string | null } {
  const frames: Frame[] = [];
  for (const line of bytes.toString('utf8').split('\n').slice(0, -1)) {
    if (line === '') continue;
    try {
      const frame = decodeFrame(line);
      frames.push(frame.type === 'token' ? { ...frame, bytes: Buffer.from(frame.bytes) } : frame);
    } catch (error) {
      return { frames, error: (error as Error).message };
    }
  }
  return { frames, error: null };
}

const frame: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({
    type: fc.constant('token' as const),
    seq: fc.nat(),
    tokenId: fc.integer({ min: -1, max: 0x7fffffff }),
    bytes: fc.uint8Array({ maxLength: 130 }),
  }),
  fc.constant({ type: 'progress' as const }),
  fc.record({
    type: fc.constant('prompt' as const),
    tokens: fc.nat(),
    ids: fc.option(fc.array(fc.nat()), { nil: null }),
  }),
  fc.record({
    type: fc.constant('error' as const),
    outcome: fc.constant('engine_error' as const),
    message: fc.string({ unit: 'grapheme' }),
  }),
);
const cuts = fc.array(fc.nat(), { maxLength: 5 });

describe('frames that are read from bytes', () => {
  it('are those that were written, however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), cuts, (frames, at) => {
        const bytes = Buffer.from(frames.map(encodeFrame).join(''));
        const expected = frames.map((each) =>
          each.type === 'token' ? { ...each, bytes: Buffer.from(each.bytes) } : each,
        );
        expect(read(bytes, at)).toEqual({ frames: expected, error: null });
      }),
    );
  });

  it('are what decodeFrame makes of each line, of whatever nearly looks like a frame too', () => {
    const near = fc
      .array(
        fc.constantFrom(
          ...['[', ']', ',', '"', '-', '0', '1', '7', '2147483648', 'QQ==', 'QUI=', 'QUJD', 'Q', '=', ' '],
          ...['\n', '[0,1,"QQ=="]\n', '[1,-1,""]\n', '{"progress":true}\n', 'é', '_', '\\u0041', '.5', 'e3'],
        ),
        { maxLength: 14 },
      )
      .map((parts) => Buffer.from(parts.join('')));
    fc.assert(
      fc.property(near, cuts, (bytes, at) => {
        expect(read(bytes, at)).toEqual(decoded(bytes));
      }),
      { numRuns: 2000 },
    );
  });

  it('of random bytes are errors, never anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), cuts, (noise, at) => {
        const { error } = read(Buffer.from(noise), at);
        expect(error === null || error.startsWith('expected a frame, got')).toBe(true);
      }),
    );
  });

  it('may be long, and not longer than 8 MiB', () => {
    const long = encodeFrame({ type: 'token', seq: 1, tokenId: 2, bytes: Buffer.alloc(100_000, 'x') });
    expect(read(Buffer.from(long), [7, 70_000]).frames).toMatchObject([{ bytes: { length: 100_000 } }]);
    expect(read(Buffer.alloc(8 * 1024 * 1024 + 1, 'x')).error).toMatch(/more than 8388608 bytes/);
  });
});
