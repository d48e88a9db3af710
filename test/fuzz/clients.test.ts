import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Frontend, startFrontend } from '../../dist/cjs/frontend/frontend.js';
import { endToy, startToy, stream, type ToyWorker } from '../frontend/fleet.js';
import { until } from '../helpers/package.js';
import { answerOf, exchange, held, LIMIT_MS, postBytes, runs } from './helpers.js';

const MAX_BODY = 200_000;
vi.setConfig({ testTimeout: LIMIT_MS });
let worker: ToyWorker;
let frontend: Frontend;

beforeAll(async () => {
  worker = await startToy('good', { tokenMs: 1 });
  frontend = await startFrontend({ port: 0, workers: [worker.url], maxBodyBytes: MAX_BODY });
  await until(() => frontend.workers().every(({ state }) => state === 'serving'));
});
afterAll(async () => {
  await frontend.close();
  endToy(worker);
});

/** Whoever it is: it says what is wrong in OpenAI's form, or it serves; it never breaks. */
async function expectAnswer(url: string, bytes: Buffer): Promise<void> {
  const text = await exchange(url, bytes);
  const { status, body } = answerOf(text);
  expect([200, 400, 404, 413, 431], `${bytes.toString('latin1', 0, 300)} → ${text.slice(0, 300)}`).toContain(
    status,
  );
  if (status === 200 || status === 431 || body === '') return;
  const { error } = JSON.parse(body) as { error: { message: string; type: string } };
  expect(error.message.length).toBeGreaterThan(3);
  expect(error.message.length).toBeLessThan(1000);
  expect(error.type).toBe('invalid_request_error');
}

const each = (): [string, string][] => [
  ['frontend', frontend.url],
  ['worker', worker.url],
];
const names = [
  ...['model', 'prompt', 'max_tokens', 'temperature', 'seed', 'stop', 'n', 'stream', 'stream_options'],
  ...['messages', 'tools', 'logprobs', 'generated', 'choice', 'response_format', 'max_completion_tokens'],
];
/** Something near a request: right names, any values. Nothing that would generate for long. */
const nearRequest = fc
  .dictionary(fc.constantFrom(...names), fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.nat(20), fc.string()))
  .map((fields) =>
    JSON.stringify({ ...fields, ...(typeof fields.max_tokens === 'string' ? {} : { max_tokens: 3 }) }),
  );
const headers = fc
  .array(
    fc.tuple(
      fc.constantFrom(
        'X-Request-Id',
        'traceparent',
        'Accept',
        'X-A',
        'Priority',
        'Expect-Not',
        'Authorization',
      ),
      fc.string({ unit: fc.constantFrom(...'azAZ09 ;,=/-."\t'), maxLength: 300 }),
    ),
    { maxLength: 30 },
  )
  .map((list) => list.map(([name, value]) => `${name}: ${value}\r\n`).join(''));

describe('requests that are none', () => {
  it('are told what was wrong with their fields', async () => {
    await fc.assert(
      fc.asyncProperty(nearRequest, headers, async (body, extra) => {
        for (const [, url] of each()) await expectAnswer(url, postBytes(body, extra));
      }),
      { numRuns: runs(60) },
    );
  });

  it('are told that they are no JSON', async () => {
    const noJson = fc.oneof(
      fc.string(),
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      nearRequest.map((text) => text.slice(0, -1)),
    );
    await fc.assert(
      fc.asyncProperty(noJson, async (body) => {
        for (const [, url] of each()) await expectAnswer(url, postBytes(body));
      }),
      { numRuns: runs(60) },
    );
  });

  it('may be nested, long or huge', async () => {
    const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
    for (const [, url] of each()) {
      await expectAnswer(url, postBytes(deep));
      await expectAnswer(url, postBytes(`{"prompt":${deep}}`));
      await expectAnswer(
        url,
        postBytes('{"prompt":"x","max_tokens":1}', `X-Long: ${'x'.repeat(100_000)}\r\n`),
      );
      await expectAnswer(url, postBytes('{"prompt":"x","max_tokens":1}', 'X-Many: 1\r\n'.repeat(3000)));
    }
    await expectAnswer(frontend.url, postBytes(`{"prompt":"${'x'.repeat(MAX_BODY)}"}`));
  });

  it('may break off anywhere, and need not be HTTP', async () => {
    const whole = postBytes('{"prompt":"half","max_tokens":1000,"stream":true}');
    const half = fc.nat(whole.length).map((length) => whole.subarray(0, length));
    const noise = fc.uint8Array({ maxLength: 500 }).map((bytes) => Buffer.from(bytes));
    const lengths = fc
      .constantFrom('-1', '1e9', '99999999999999999999', '0x10', '5, 6', '')
      .map((length) =>
        Buffer.from(`POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n{}`),
      );
    await fc.assert(
      fc.asyncProperty(fc.oneof(half, noise, lengths), fc.nat(30), async (bytes, hangUpMs) => {
        await Promise.all(each().map(([, url]) => exchange(url, bytes, { hangUpMs })));
      }),
      { numRuns: runs(120) },
    );
  });

  it('leave nothing behind, and the next one is served', async () => {
    await until(() => frontend.inFlight === 0);
    const before = held();
    for (let i = 0; i < 200; i += 1)
      await Promise.all(
        [
          postBytes('{"prompt":7}'),
          postBytes('{'),
          postBytes('{"prompt":"x","max_tokens":500}').subarray(0, 150 + (i % 20)),
        ].map((bytes) => exchange(frontend.url, bytes, { hangUpMs: 20 })),
      );
    await until(() => frontend.inFlight === 0);
    await until(() => held().files <= before.files + 3);
    const after = held();
    expect(after.timers).toBeLessThanOrEqual(before.timers + 3);
    expect(after.heapMiB).toBeLessThan(before.heapMiB + 20);
    expect(await stream(frontend.url, { prompt: 'fine', max_tokens: 3 })).toMatchObject({
      isDone: true,
      errors: [],
    });
    expect(worker.child.exitCode).toBe(null);
  });
});
