import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startFrontend } from '../../dist/cjs/frontend/frontend.js';
import { endToy, startToy, stream, type ToyWorker } from '../frontend/fleet.js';
import { until } from '../helpers/package.js';
import { type Held, held, LIMIT_MS, type Piece, runs, withScripted } from './helpers.js';

const PROMPT = 'tell';
const TOKENS = 6;
vi.setConfig({ testTimeout: LIMIT_MS });
let good: ToyWorker;
let text: string;
let before: Held;

beforeAll(async () => {
  good = await startToy('good', { tokenMs: 1 });
  const frontend = await startFrontend({ port: 0, workers: [good.url] });
  await until(() => frontend.workers().every(({ state }) => state === 'serving'));
  text = (await stream(frontend.url, { prompt: PROMPT, max_tokens: TOKENS })).text;
  await frontend.close();
  before = held();
});
afterAll(() => endToy(good));

const BEACON = JSON.stringify({
  ...{ worker: 'garbage', incarnation: 'g', model: 'toy', state: 'serving', ready: true, engineStep: 0 },
  ...{ running: 0, waiting: 0, scheduledTokens: 0, activeTokens: 0 },
  ...{ kvBlocksUsed: 0, kvBlocksTotal: 0, expectedStepMs: 0 },
});
const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n';
const put = (bytes: string | Buffer): Piece => ({ bytes: Buffer.from(bytes) });
const chunk = (line: string): Piece => put(`${Buffer.byteLength(line).toString(16)}\r\n${line}\r\n`);

/** What is right so far: the prompt, and tokens as the toy engine would give them. */
function rightFrames(count: number): Piece[] {
  const history = [...Buffer.from(PROMPT)];
  const lines = [chunk(`{"prompt":{"tokens":${history.length},"ids":[${history}]}}\n`)];
  for (let seq = 0; seq < count; seq += 1) {
    let hash = 0x811c9dc5;
    for (const id of history) hash = Math.imul(hash ^ id, 0x01000193) >>> 0;
    const id = hash >>> 1;
    history.push(id);
    const bytes = Buffer.concat([
      ...(seq % 5 === 0 && seq > 0 ? [Buffer.from('é').subarray(1)] : []),
      Buffer.from(` t${id % 1000}`),
      ...(seq % 5 === 4 ? [Buffer.from('é').subarray(0, 1)] : []),
    ]);
    lines.push(chunk(`[${seq},${id},"${bytes.toString('base64')}"]\n`));
  }
  return lines;
}

const noise = fc.uint8Array({ minLength: 1, maxLength: 200 }).map((bytes) => put(Buffer.from(bytes)));
/** Each ends what it comes in: nothing behind it can be taken for a right token. */
const wrong: fc.Arbitrary<Piece[]> = fc.oneof(
  noise.map((piece) => [piece]),
  fc.string({ unit: 'grapheme' }).map((line) => [chunk(`${line}x\n`)]),
  fc
    .constantFrom(
      ...[
        '[99,1,"QQ=="]\n',
        '[0,1,7]\n',
        '[-1,1,"QQ=="]\n',
        '[0,1,"QQ=="',
        '{"finish":"stop","length":77}\n',
        '{}\n',
        'null\n',
      ],
      ...[
        '{"error":{"outcome":"engine_error","message":"no"}}\n',
        '{"prompt":7}\n',
        `"${'x'.repeat(70_000)}"\n`,
        '[1e99,1,"A"]\n',
      ],
    )
    .map((line) => [chunk(line)]),
  fc
    .constantFrom('FFFFFFFFFFFFFFFF\r\n', '-1\r\n', 'zz\r\n', '0\r\n\r\n', '7fffffff\r\nabc')
    .map((bytes) => [put(bytes)]),
  fc.constant<Piece[]>([{ reset: true }]),
  fc.constant<Piece[]>([]),
);
/** Byte by byte. */
const drip = (pieces: readonly Piece[]): Piece[] =>
  pieces.flatMap((piece) =>
    'bytes' in piece
      ? [...piece.bytes.subarray(0, 40)].flatMap((byte): Piece[] => [
          { bytes: Buffer.of(byte) },
          { waitMs: 1 },
        ])
      : [piece],
  );
const answer = fc
  .record({
    head: fc.oneof({ weight: 6, arbitrary: fc.constant(put(HEAD)) }, { weight: 1, arbitrary: noise }),
    right: fc.nat(TOKENS - 1),
    hasRight: fc.boolean(),
    wrong,
    isSlow: fc.boolean(),
  })
  .map(({ head, right, hasRight, wrong, isSlow }) => [
    head,
    ...(hasRight ? rightFrames(right) : []),
    ...(isSlow ? drip(wrong) : wrong),
  ]);

/** Asks a frontend that has a good worker beside the scripted one. */
async function ask(script: Parameters<typeof withScripted>[0], hasGarbage: boolean): Promise<void> {
  await withScripted(script, async (url) => {
    await using frontend = await startFrontend({ port: 0, workers: [url, good.url] });
    await until(
      () => frontend.workers().filter(({ state }) => state === 'serving').length >= (hasGarbage ? 2 : 1),
    );
    const all = Array.from({ length: 4 }, () => stream(frontend.url, { prompt: PROMPT, max_tokens: TOKENS }));
    for (const each of await Promise.all(all)) expect(each).toMatchObject({ text, isDone: true, errors: [] });
    await until(() => frontend.inFlight === 0);
  });
}

describe('a worker that speaks garbage', () => {
  it('costs no request: whatever it says after whatever was right, the stream goes on elsewhere', async () => {
    await fc.assert(
      fc.asyncProperty(answer, async (pieces) => {
        const beacons = [put(HEAD), chunk(`${BEACON}\n`), { waitMs: 60_000 }];
        await ask((path) => (path === '/v1/beacons' ? beacons : pieces), true);
      }),
      { numRuns: runs(40) },
    );
  });

  it('in its beacons is not asked at all', async () => {
    const beacons = fc.oneof(
      fc.tuple(fc.constant(put(HEAD)), noise).map((pieces): Piece[] => pieces),
      fc.jsonValue().map((value): Piece[] => [put(HEAD), chunk(`${JSON.stringify(value)}\n`), { waitMs: 5 }]),
      fc
        .constantFrom('worker', 'state', 'ready', 'engineStep', 'kvBlocksTotal')
        .map((name): Piece[] => [
          put(HEAD),
          chunk(`${JSON.stringify({ ...JSON.parse(BEACON), [name]: {} })}\n`),
        ]),
      fc.constant<Piece[]>([put(HEAD), ...Array.from({ length: 150 }, () => chunk('x'.repeat(64 * 1024)))]),
      noise.map((piece): Piece[] => [piece]),
    );
    await fc.assert(
      fc.asyncProperty(beacons, async (pieces) => {
        await ask((path) => (path === '/v1/beacons' ? pieces : []), false);
      }),
      { numRuns: runs(15) },
    );
  });

  it('leaves nothing behind', async () => {
    await until(() => held().files <= before.files + 3);
    const after = held();
    expect(after.timers).toBeLessThanOrEqual(before.timers + 3);
    expect(after.heapMiB).toBeLessThan(before.heapMiB + 30);
  });
});
