import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { type Frontend, type FrontendOptions, startFrontend } from '../../dist/cjs/frontend/frontend.js';
import { until } from '../helpers/package.js';

/** A server of somebody else that answers completions as it is told. */
async function startServer(answer: RequestListener): Promise<Server> {
  const server = createServer((request, response) => {
    if (request.method === 'POST') return void answer(request, response);
    response.end(request.url === '/v1/models' ? '{"data":[{"id":"m"}]}' : '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

async function withServers(
  answers: readonly RequestListener[],
  use: (frontend: Frontend) => Promise<void>,
  options: Partial<FrontendOptions> = {},
): Promise<void> {
  const servers = await Promise.all(answers.map(startServer));
  const workers = servers.map(
    (server) => `openai+http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  );
  const frontend = await startFrontend({ port: 0, discovery: false, ...options, workers });
  try {
    await until(() => frontend.workers().every(({ state }) => state === 'serving'));
    await use(frontend);
  } finally {
    await frontend.close();
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  }
}

const TOOLS = { prompt: 'x', tools: [{ type: 'function' }] };

function ask(frontend: Frontend, body: object | string, headers: Record<string, string> = {}) {
  return fetch(`${frontend.url}/v1/completions`, {
    method: 'POST',
    headers,
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

const begin = (response: ServerResponse): void => {
  response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: {}\n\n');
};

describe('a request whose answer is passed on as it comes', () => {
  it('ends by its deadline, before its answer has begun and after', async () => {
    const answers: RequestListener[] = [() => undefined];
    await withServers(answers, async (frontend) => {
      const answer = await ask(frontend, TOOLS, { 'x-request-timeout-ms': '300' });
      expect([answer.status, await answer.json()]).toMatchObject([
        504,
        { error: { code: 'deadline_exceeded' } },
      ]);
      await until(() => frontend.inFlight === 0);
      const metrics = await (await fetch(`${frontend.url}/metrics`)).text();
      expect(metrics).toContain('inference_health_requests_total{outcome="deadline"} 1');
    });
    await withServers([(_, response) => begin(response)], async (frontend) => {
      const answer = await ask(frontend, TOOLS, { 'x-request-timeout-ms': '2000' });
      expect(await answer.text()).toMatch(/^data: \{\}\n\ndata: \{"error":.*deadline_exceeded/);
      await until(() => frontend.workers()[0]?.inFlight === 0);
    });
  });

  it('is refused with a word on when to come back where nobody can take it', async () => {
    await withServers([() => undefined], async (frontend) => {
      const broken = await ask(frontend, TOOLS, { 'x-request-timeout-ms': '100' });
      expect(broken.status).toBe(504);
    });
    const cut: RequestListener = (request) => void request.socket.destroy();
    await withServers([cut], async (frontend) => {
      const answer = await ask(frontend, TOOLS);
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
    });
  });

  it('that is cut while its answer comes ends with an error, and the frontend goes on', async () => {
    const pour = (request: IncomingMessage, response: ServerResponse): void => {
      begin(response);
      const timer = setInterval(() => response.write(`data: ${'x'.repeat(60_000)}\n\n`), 1);
      request.socket.on('close', () => clearInterval(timer));
    };
    await withServers([pour], async (frontend) => {
      const texts = Promise.allSettled(
        Array.from({ length: 5 }, async () => (await ask(frontend, TOOLS)).text()),
      );
      await until(() => frontend.inFlight === 5);
      await new Promise((resolve) => setTimeout(resolve, 200));
      await frontend.close();
      // Those that read too slowly are cut off instead.
      for (const each of await texts)
        if (each.status === 'fulfilled') expect(each.value).toMatch(/data: \{"error":.*\}\n\n$/);
    });
  });

  it('and breaks off counts as a failure of its worker, and one that is nested too deep does not', async () => {
    const fail: RequestListener = (_, response) => response.writeHead(500).end('{}');
    const slow: RequestListener = (_, response) => void setTimeout(() => response.end('{}'), 200);
    await withServers([fail, slow, slow], async (frontend) => {
      const isEjected = (): boolean => frontend.workers().some((each) => each.isEjected);
      const deep = `{"prompt":"x","tools":${'['.repeat(20_000)}${']'.repeat(20_000)}}`;
      for (let count = 0; count < 20; count += 1) expect((await ask(frontend, deep)).status).toBe(400);
      expect(isEjected()).toBe(false);
      await until(async () => {
        await Promise.all(Array.from({ length: 30 }, async () => (await ask(frontend, TOOLS)).text()));
        return isEjected();
      });
      expect(frontend.workers().map((each) => each.isEjected)).toEqual([true, false, false]);
    });
  });
});
