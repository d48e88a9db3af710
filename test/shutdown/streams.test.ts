import { Agent, get } from 'node:http';
import { describe, expect, it } from 'vitest';
import { type Child, withChild } from '../helpers/child.js';
import { sleep, until } from '../helpers/package.js';

const STREAMS = 200;
const TOKENS = 20;

interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
  /** Of the connection; undefined where the answer was complete. */
  readonly error?: string | undefined;
}

/** Settles when the answer is over, one way or another; `onFirst` with its first byte. */
function ask(url: string, agent: Agent, onFirst: () => void = () => undefined): Promise<Answer> {
  return new Promise((resolve) => {
    const failed = (error: Error): void =>
      resolve({ status: 0, headers: {}, body: '', error: error.message });
    get(url, { agent }, (response) => {
      let body = '';
      response.once('data', onFirst);
      response.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      const { statusCode: status = 0, headers } = response;
      response.on('end', () => resolve({ status, headers, body }));
      response.on('error', (error) => resolve({ status, headers, body, error: error.message }));
    }).on('error', failed);
  });
}

/** A server of streams; `tokenMs` between tokens. What it does about the end of a stream is up to `handler`. */
const server = (handler: string, shutdown: string, tokenMs: number): string => `
  const { createServer } = require('node:http');
  const health = await startHealth({ port: 0, host: '127.0.0.1', startupGraceMs: 0, shutdown: ${shutdown} });
  const pause = () => new Promise((resolve) => setTimeout(resolve, ${tokenMs}));
  ${handler}
  const api = createServer(listener).listen(0, '127.0.0.1', () => say({ api: api.address().port, probe: health.listeners[0].port }));
`;

/** An endpoint whose errors the application writes into its stream. */
const SERVED = `
  const generate = health.endpoint('generate').serve(async function* (request, scope) {
    for (let i = 0; i < ${TOKENS} && !scope.signal.aborted; i += 1) { await pause(); yield { tokens: 1, text: 't' + i + ' ' }; }
  });
  const listener = async (request, response) => {
    try {
      for await (const frame of generate.call({})) {
        if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write('data: ' + frame.text + '\\n\\n');
      }
      response.end('data: [DONE]\\n\\n');
    } catch (error) {
      if (!response.headersSent) {
        response.writeHead(error.statusCode ?? 500, { 'retry-after': error.retryAfterSeconds ?? 1 });
        response.end(error.code);
      } else response.end('event: error\\ndata: ' + error.code + '\\n\\n');
    }
  };
`;

/** A handler that knows nothing of shutdowns. */
const PLAIN = `
  const listener = async (request, response) => {
    const counted = health.requests.begin();
    response.on('close', () => counted.end());
    if (request.url === '/silent') return;
    response.writeHead(200, { 'content-type': request.url === '/text' ? 'text/plain' : 'text/event-stream' });
    for (let i = 0; i < ${TOKENS}; i += 1) { await pause(); response.write('data: t' + i + ' \\n\\n'); }
    response.end('data: [DONE]\\n\\n');
  };
`;

async function withStreams<T>(
  source: string,
  use: (child: Child, urls: { api: string; probe: string }) => Promise<T>,
): Promise<T> {
  return withChild(source, async (child) => {
    const { api, probe } = await child.message<{ api: number; probe: number }>();
    return use(child, { api: `http://127.0.0.1:${api}`, probe: `http://127.0.0.1:${probe}` });
  });
}

/** Starts all and resolves when each has sent its first byte. */
async function start(url: string, agent: Agent): Promise<Promise<Answer>[]> {
  let begun = 0;
  const answers = Array.from({ length: STREAMS }, () => ask(url, agent, () => (begun += 1)));
  await until(() => begun === STREAMS);
  return answers;
}

async function inFlight(probe: string): Promise<number> {
  const { metrics } = (await (await fetch(`${probe}/health`)).json()) as {
    metrics: { active_requests: number };
  };
  return metrics.active_requests;
}

const isRefusal = ({ status, headers }: Answer): boolean =>
  status === 503 && headers['retry-after'] !== undefined;

describe(`${STREAMS} streams in flight and SIGTERM`, () => {
  it('all complete; every later request is told 503 with Retry-After, none silently; the exit code is 0', async () => {
    await withStreams(server(SERVED, 'true', 150), async (child, { api, probe }) => {
      const agent = new Agent({ keepAlive: true });
      const streams = await start(api, agent);
      child.process.kill('SIGTERM');
      await until(async () => (await fetch(`${probe}/readyz`)).status === 503);
      // New ones while the old ones run, each on a connection of its own.
      const late: Answer[] = [];
      const liveness: number[] = [];
      let isOver = false;
      const all = Promise.all(streams).finally(() => {
        isOver = true;
      });
      while (!isOver) {
        const answer = await ask(api, new Agent());
        if (isOver) break;
        late.push(answer);
        liveness.push((await fetch(`${probe}/livez`)).status);
        await sleep(20);
      }
      const answers = await all;
      expect(answers.filter(({ body }) => body.endsWith('data: [DONE]\n\n'))).toHaveLength(STREAMS);
      expect(answers.filter(({ body }) => body.split('data: t').length !== TOKENS + 1)).toEqual([]);
      expect(late.length).toBeGreaterThan(0);
      expect(late.filter((answer) => !isRefusal(answer))).toEqual([]);
      // What began before the drain keeps its connection, what is answered after it is told that the connection ends.
      expect(late.map(({ headers }) => headers.connection)).toEqual(late.map(() => 'close'));
      expect(liveness.filter((status) => status !== 200)).toEqual([]);
      expect(await child.exit()).toBe(0);
      agent.destroy();
    });
  });

  it('with a deadline of 2 s each unfinished stream ends with an explicit error, and the exit code is 75', async () => {
    await withStreams(server(SERVED, '{ gracePeriodMs: 2000 }', 1000), async (child, { api }) => {
      const agent = new Agent({ keepAlive: true });
      const streams = await start(api, agent);
      const startedMs = performance.now();
      child.process.kill('SIGTERM');
      const answers = await Promise.all(streams);
      expect(
        answers.filter(({ body }) => body.endsWith('event: error\ndata: ERR_DRAINING\n\n')),
      ).toHaveLength(STREAMS);
      expect(answers.filter(({ error }) => error !== undefined)).toEqual([]);
      expect(await child.exit()).toBe(75);
      expect(performance.now() - startedMs).toBeGreaterThan(1000);
      agent.destroy();
    });
  });

  it('with drain: false that happens at once, and the exit code is 0', async () => {
    await withStreams(server(SERVED, '{ drain: false }', 1000), async (child, { api }) => {
      const agent = new Agent({ keepAlive: true });
      const streams = await start(api, agent);
      child.process.kill('SIGTERM');
      const answers = await Promise.all(streams);
      expect(answers.filter(({ body }) => body.endsWith('data: ERR_DRAINING\n\n'))).toHaveLength(STREAMS);
      expect(await child.exit()).toBe(0);
      agent.destroy();
    });
  });
});

describe('a node:http server that knows nothing of shutdowns', () => {
  it('has its unfinished answers ended with an error in their own form', async () => {
    await withStreams(server(PLAIN, '{ gracePeriodMs: 1000 }', 500), async (child, { api, probe }) => {
      const agent = new Agent({ keepAlive: true });
      let begun = 0;
      const answers = ['stream', 'text', 'silent'].map((path) =>
        ask(`${api}/${path}`, agent, () => (begun += 1)),
      );
      await until(async () => begun === 2 && (await inFlight(probe)) === 3);
      child.process.kill('SIGTERM');
      const [stream, text, silent] = await Promise.all(answers);
      expect(stream?.body).toContain('event: error\ndata: {"error":{"code":"ERR_DRAINING"');
      expect(stream?.error).toBeUndefined();
      // Nothing in plain text says that it is not complete, except that the connection breaks.
      expect(text?.error).toBe('aborted');
      expect(silent).toMatchObject({ status: 503, headers: { 'retry-after': '1', connection: 'close' } });
      expect(await child.exit()).toBe(75);
      agent.destroy();
    });
  });

  it('has its idle connections closed when the drain begins, not when the process ends', async () => {
    const source = `${server(PLAIN.replace("if (request.url === '/silent') return;", "if (request.url === '/quick') { response.end('x'); return; }"), 'true', 200)}`;
    await withStreams(source, async (child, { api }) => {
      const agent = new Agent({ keepAlive: true, maxSockets: 2 });
      expect(await ask(`${api}/quick`, agent)).toMatchObject({
        status: 200,
        headers: { connection: 'keep-alive' },
      });
      let hasBegun = false;
      const running = ask(`${api}/stream`, new Agent(), () => {
        hasBegun = true;
      });
      const [idle] = Object.values(agent.freeSockets)[0] ?? [];
      const closed = new Promise((resolve) => idle?.once('close', () => resolve('idle closed')));
      await until(() => hasBegun);
      child.process.kill('SIGTERM');
      expect(await Promise.race([closed, running.then(() => 'stream ended')])).toBe('idle closed');
      expect((await running).body).toContain('[DONE]');
      expect(await child.exit()).toBe(0);
    });
  });
});
