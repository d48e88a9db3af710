import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Frontend, startFrontend } from '../../dist/cjs/frontend/frontend.js';
import { until } from '../helpers/package.js';
import { HAS_ENGINE, withModel } from '../llama/helpers.js';

vi.setConfig({ testTimeout: 90_000 });

const SERVER = fileURLToPath(new URL('server.mjs', import.meta.url));
const TOKENS = 60;

interface Server {
  readonly child: ChildProcess;
  readonly url: string;
  readonly port: number;
}

async function startServer(path: string, ids: 'ids' | 'no-ids', port = 0): Promise<Server> {
  const child = fork(SERVER, [path, String(port), '8', ids], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const [{ url }] = (await once(child, 'message')) as [{ url: string }];
  return { child, url, port: Number(new URL(url).port) };
}

interface Streamed {
  readonly text: string;
  readonly reason: string | null;
  readonly errors: readonly { readonly message: string; readonly code: string }[];
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number } | null;
  readonly headers: Headers;
  readonly raw: string;
}

async function stream(
  url: string,
  path: string,
  body: object,
  onText: (text: string, raw: string) => void = () => undefined,
): Promise<Streamed> {
  const response = await fetch(`${url}/v1/${path}`, {
    method: 'POST',
    body: JSON.stringify({
      ...{ max_tokens: TOKENS, temperature: 0, stream: true, stream_options: { include_usage: true } },
      ...body,
    }),
  });
  if (response.status !== 200 || response.body === null)
    throw new Error(`${response.status} ${await response.text()}`);
  let raw = '';
  const seen = { text: '', reason: null as string | null, usage: null as Streamed['usage'] };
  const errors: { message: string; code: string }[] = [];
  let read = 0;
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    raw += chunk;
    const lines = raw.slice(read).split('\n');
    read = raw.length - (lines.pop() ?? '').length;
    for (const line of lines) {
      if (!line.startsWith('data: {')) continue;
      const event = JSON.parse(line.slice(6));
      if (event.error !== undefined) errors.push(event.error);
      const choice = event.choices?.[0];
      seen.text += choice?.text ?? choice?.delta?.content ?? '';
      seen.reason = choice?.finish_reason ?? seen.reason;
      seen.usage = event.usage ?? seen.usage;
      onText(seen.text, raw);
    }
  }
  return { ...seen, errors, headers: response.headers, raw };
}

const COMPLETION = { prompt: 'who controls the past' };
const CHAT = { messages: [{ role: 'user', content: 'who controls the past' }] };

describe.runIf(HAS_ENGINE)('a frontend in front of servers of others', () => {
  let path = '';
  let release: () => void = () => undefined;
  let isReleased: Promise<void> = Promise.resolve();
  beforeAll(async () => {
    await new Promise<void>((resolve) => {
      isReleased = withModel(async (model) => {
        path = model;
        resolve();
        await new Promise<void>((done) => {
          release = done;
        });
      });
    });
  });
  afterAll(async () => {
    release();
    await isReleased;
  });

  const started = new Map<string, Server[]>();
  afterAll(() => {
    for (const { child } of [...started.values()].flat()) child.kill('SIGKILL');
  });

  /** Those of the last test that live, and new ones for the others. */
  async function twoServers(ids: 'ids' | 'no-ids'): Promise<readonly Server[]> {
    const alive = (started.get(ids) ?? []).filter(({ child }) => !child.killed);
    const missing = Array.from({ length: 2 - alive.length }, () => startServer(path, ids));
    const servers = [...alive, ...(await Promise.all(missing))];
    started.set(ids, servers);
    return servers;
  }

  /** Two servers of a kind behind a frontend. `kill` ends the one that streams. */
  async function withServers(
    kind: string,
    use: (frontend: Frontend, kill: () => void, servers: readonly Server[]) => Promise<void>,
  ): Promise<void> {
    const servers = await twoServers(kind === 'vllm' ? 'ids' : 'no-ids');
    const frontend = await startFrontend({ port: 0, workers: servers.map(({ url }) => `${kind}+${url}`) });
    const kill = (): void => {
      const busy = frontend.workers().find(({ inFlight }) => inFlight > 0);
      servers.find(({ url }) => busy?.url.endsWith(url))?.child.kill('SIGKILL');
    };
    try {
      await until(() =>
        frontend.workers().every(({ state, model }) => state === 'serving' && model === 'tiny'),
      );
      await use(frontend, kill, servers);
    } finally {
      await frontend.close();
    }
  }

  /** Kills the server that streams, once a third of the text is there. */
  async function moved(
    frontend: Frontend,
    kill: () => void,
    endpoint: string,
    body: object,
  ): Promise<Streamed> {
    let isKilled = false;
    return stream(frontend.url, endpoint, body, (text) => {
      if (isKilled || text.length < 100) return;
      isKilled = true;
      kill();
    });
  }

  const metric = async (frontend: Frontend): Promise<string> =>
    (await (await fetch(`${frontend.url}/metrics`)).text())
      .split('\n')
      .filter((line) => line.startsWith('inference_health_migrations_total{'))
      .join();

  it.each([
    ['completions', COMPLETION],
    ['chat/completions', CHAT],
  ])('moves a stream of vLLM by token ids: %s', async (endpoint, body) => {
    await withServers('vllm', async (frontend, kill) => {
      const whole = await stream(frontend.url, endpoint, body);
      expect(whole.errors).toEqual([]);
      expect(whole.headers.get('x-migration-mode')).toBe('token');
      const own = await moved(frontend, kill, endpoint, body);
      expect(own).toMatchObject({ text: whole.text, reason: 'length', errors: [], usage: whole.usage });
      expect(own.usage?.completion_tokens).toBe(TOKENS);
      expect(await metric(frontend)).toContain('mode="token"');
    });
  });

  it.each([
    ['openai', 'completions', COMPLETION],
    ['sglang', 'chat/completions', CHAT],
  ])('moves a stream of %s by its text, and says so: %s', async (kind, endpoint, body) => {
    await withServers(kind, async (frontend, kill) => {
      const whole = await stream(frontend.url, endpoint, body);
      expect(whole.headers.get('x-migration-mode')).toBe('text');
      const own = await moved(frontend, kill, endpoint, body);
      expect(own).toMatchObject({ text: whole.text, reason: 'length', errors: [], usage: whole.usage });
      expect(await metric(frontend)).toContain('mode="text"');
    });
  });

  it('ends at a stop string that lies across the border, with the usage of what was read', async () => {
    await withServers('openai', async (frontend, kill) => {
      const whole = await stream(frontend.url, 'completions', COMPLETION);
      const words = whole.text.split(' ');
      // From the tail of one word to the head of the next, behind the place of the move.
      const stop = `${words[30]?.slice(-2)} ${words[31]} ${words[32]?.slice(0, 1)}`;
      const expected = whole.text.slice(0, whole.text.indexOf(stop));
      const own = await moved(frontend, kill, 'completions', { ...COMPLETION, stop });
      expect(own).toMatchObject({ text: expected, reason: 'stop', errors: [] });
      expect(own.usage?.completion_tokens).toBeLessThanOrEqual(33);
    });
  });

  it('does not go on in a chat where the server is not known to be able to', async () => {
    await withServers('openai', async (frontend, kill) => {
      const { errors, reason } = await moved(frontend, kill, 'chat/completions', CHAT);
      expect(errors).toMatchObject([{ code: 'unsupported' }]);
      expect(errors[0]?.message).toContain('not known to go on in the middle of a message');
      expect(reason).toBeNull();
    });
  });

  it('does not go on with an answer of a given form, of which a text cannot tell how far it is', async () => {
    await withServers('vllm', async (frontend, kill) => {
      const body = { ...COMPLETION, response_format: { type: 'json_object' } };
      const { errors, headers } = await moved(frontend, kill, 'completions', body);
      expect(headers.get('x-migration-mode')).toBe('none');
      expect(errors).toMatchObject([{ message: expect.stringContaining('cannot be replayed') }]);
    });
  });

  it('passes on what is more than text as it comes, and says that it cannot go on with it', async () => {
    await withServers('vllm', async (frontend, kill) => {
      const tools = [{ type: 'function', function: { name: 'look' } }];
      const whole = await stream(frontend.url, 'chat/completions', { ...CHAT, tools });
      expect(whole.raw).toContain('"tool_calls":[{"index":0,"id":"call-1"');
      expect(whole.raw).toContain('data: [DONE]');
      const own = await moved(frontend, kill, 'chat/completions', { ...CHAT, tools });
      expect(own.errors).toMatchObject([{ code: 'migration_unsupported' }]);
      expect(own.errors[0]?.message).toContain('tools');
      expect(own.raw).not.toContain('[DONE]');
      await until(() => frontend.inFlight === 0);
      expect(frontend.workers().reduce((sum, { inFlight }) => sum + inFlight, 0)).toBe(0);
    });
  });

  it('sees a server that comes back at its address as another life of it', async () => {
    await withServers('openai', async (frontend, _kill, [first]) => {
      const view = () => frontend.workers().find(({ url }) => url.endsWith(first?.url ?? ''));
      const before = view()?.ref?.incarnation;
      first?.child.kill('SIGKILL');
      await until(() => view()?.state === 'gone');
      const again = await startServer(path, 'no-ids', first?.port);
      try {
        await until(() => view()?.state === 'serving' && view()?.ref?.incarnation !== before);
      } finally {
        again.child.kill('SIGKILL');
      }
    });
  });

  it('refuses workers of two kinds, and kinds that it does not know', async () => {
    for (const workers of [['http://127.0.0.1:1', 'vllm+http://127.0.0.1:2'], ['tgi+http://127.0.0.1:1']])
      await expect(startFrontend({ port: 0, workers })).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
  });
});
