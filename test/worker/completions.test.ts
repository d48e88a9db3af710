import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { ServedCall, ServedEndpoint } from '../../lib/lifecycle/serve.js';
import { type ActiveTokens, createActiveTokens } from '../../lib/worker/active-tokens.js';
import { answerOpenAi } from '../../lib/worker/completions.js';
import type { Engine, GenerateRequest, TokenFrame } from '../../lib/worker/engine.js';
import { parseCompletion } from '../../lib/worker/request.js';
import { until } from '../helpers/package.js';

let server: Server | null = null;
afterEach(() => {
  server?.close();
  server?.closeAllConnections();
});

/** A server whose every request has these choices, each with its own frames; resolves with how the answers ended. */
async function serve(choices: readonly ((signal: AbortSignal) => AsyncGenerator<TokenFrame>)[]): Promise<{
  readonly port: number;
  readonly answered: Promise<void>;
  readonly errors: unknown[];
  readonly reported: unknown[];
  readonly active: ActiveTokens;
}> {
  const errors: unknown[] = [];
  const reported: unknown[] = [];
  const engine: Engine = {
    model: 'toy',
    prompt: () => ({ tokens: 1, ids: null }),
    figures: () => ({ step: 0, running: 0, waiting: 0 }),
    generate: () => {
      throw new Error('the endpoint is called, not the engine');
    },
  };
  const endpoint = {
    call: ({ choice }: GenerateRequest, { signal }: { signal: AbortSignal }) =>
      choices[choice]?.(signal) as unknown as ServedCall<TokenFrame>,
  } as unknown as ServedEndpoint<GenerateRequest, TokenFrame>;
  const body = { prompt: 'a', n: choices.length, stream: true, max_tokens: 1000 };
  let isAnswered: () => void;
  const answered = new Promise<void>((resolve) => {
    isAnswered = resolve;
  });
  const report = (error: unknown) => reported.push(error);
  const active = createActiveTokens();
  const own = createServer((_request, response) => {
    response.on('error', (error) => errors.push(error));
    const signal = new AbortController().signal;
    const call = {
      engine,
      endpoint,
      active,
      request: parseCompletion(body, false),
      id: 'r',
      bytes: 0,
      signal,
      deadlineMs: Number.POSITIVE_INFINITY,
      isStopped: () => false,
      report,
    };
    void answerOpenAi(call, response).finally(isAnswered);
  });
  server = own;
  await new Promise<void>((resolve) => own.listen(0, '127.0.0.1', resolve));
  return { port: (own.address() as AddressInfo).port, answered, errors, reported, active };
}

const token = (seq: number, bytes: number): TokenFrame => ({
  seq,
  tokenId: seq,
  bytes: Buffer.alloc(bytes, 'x'),
});
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('an answer with several choices', () => {
  it('gets nothing behind its end when one choice fails and another has not heard of it', async () => {
    let late: () => void = () => undefined;
    const isOver = new Promise<void>((resolve) => {
      late = resolve;
    });
    const { port, answered, errors } = await serve([
      // Fills what the client does not read.
      async function* () {
        for (let seq = 0; seq < 1000; seq += 1) yield token(seq, 100_000);
      },
      async function* () {
        await sleep(200);
        yield* [];
        throw new Error('of no use');
      },
      // Does not look at its signal.
      async function* () {
        try {
          await sleep(400);
          for (let seq = 0; seq < 3; seq += 1) yield token(seq, 10);
        } finally {
          late();
        }
      },
    ]);
    const client = connect(port, '127.0.0.1', () => client.write('POST / HTTP/1.1\r\nHost: x\r\n\r\n'));
    client.pause();
    client.on('error', () => undefined);
    await answered;
    await isOver;
    await sleep(20);
    client.destroy();
    expect(errors).toEqual([]);
  });
});

it('a choice that has ended is not counted any more, while another still runs', async () => {
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { port, answered, active } = await serve([
    async function* () {
      yield token(0, 1);
    },
    async function* () {
      yield token(0, 1);
      await released;
    },
  ]);
  const response = fetch(`http://127.0.0.1:${port}/`).then((each) => each.text());
  await until(() => active.count === 999);
  release();
  await Promise.all([response, answered]);
  expect(active.count).toBe(0);
});

describe('an engine that fails', () => {
  it('tells the log what is wrong in full, and the client only that it failed', async () => {
    const { port, reported } = await serve([
      // biome-ignore lint/correctness/useYield: it fails before its first token
      async function* () {
        throw new Error("ENOENT: open '/srv/models/secret.gguf'");
      },
    ]);
    const response = await fetch(`http://127.0.0.1:${port}/`);
    expect(response.status).toBe(500);
    const { error } = (await response.json()) as { error: { message: string } };
    expect(error.message).toBe('the engine failed');
    expect(String(reported[0])).toContain('secret.gguf');
  });

  it('passes on what the engine meant for the client', async () => {
    const { port, reported } = await serve([
      // biome-ignore lint/correctness/useYield: it fails before its first token
      async function* () {
        throw Object.assign(new Error('the prompt has too many images'), { outcome: 'invalid' });
      },
    ]);
    const response = await fetch(`http://127.0.0.1:${port}/`);
    expect(await response.text()).toContain('too many images');
    expect(reported).toEqual([]);
  });
});
