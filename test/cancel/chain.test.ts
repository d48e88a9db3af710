import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { endToy, startToy, type ToyWorker } from '../frontend/fleet.js';
import { until } from '../helpers/package.js';

vi.setConfig({ testTimeout: 60_000 });

const CLI = fileURLToPath(new URL('../../dist/cjs/cli/main.js', import.meta.url));
const CHAIN = fileURLToPath(new URL('chain-worker.mjs', import.meta.url));
const QUIET = { ...process.env, DYN_SYSTEM_PORT: '' };

interface Chain {
  readonly frontendUrl: string;
  readonly worker: ChildProcess;
  readonly workerUrl: string;
  readonly second: ToyWorker;
  /** Headers of the calls from the first worker to the second. */
  readonly asked: Record<string, string>[];
}

/** Frontend, worker, second worker: a process each. */
async function withChain(use: (chain: Chain) => Promise<void>): Promise<void> {
  const second = await startToy('second', { tokenMs: 10 });
  const worker = fork(CHAIN, [second.url], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: QUIET,
  });
  const [{ url: workerUrl }] = (await once(worker, 'message')) as [{ url: string }];
  const asked: Record<string, string>[] = [];
  worker.on('message', (message: { asked?: Record<string, string> }) => {
    if (message.asked !== undefined) asked.push(message.asked);
  });
  const frontend = spawn(process.execPath, [CLI, 'frontend', '--workers', workerUrl, '--http-port', '0'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: QUIET,
  });
  let output = '';
  frontend.stdout.on('data', (chunk) => {
    output += String(chunk);
  });
  try {
    const frontendUrl = await until(() => /"url":"([^"]+)"/.exec(output)?.[1] ?? false);
    await until(async () => (await (await fetch(`${frontendUrl}/v1/models`)).text()).includes('toy'));
    await use({ frontendUrl, worker, workerUrl, second, asked });
  } finally {
    frontend.kill('SIGKILL');
    worker.kill('SIGKILL');
    endToy(second);
  }
}

/** A stream of which some has been read. `leave` ends it from the client's side. */
async function begin(url: string, prompt: string, headers: Record<string, string> = {}) {
  const client = new AbortController();
  const response = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers,
    signal: client.signal,
    body: JSON.stringify({ prompt, max_tokens: 5000, stream: true }),
  });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  await reader.read();
  const rest = async (): Promise<string> => {
    let text = '';
    for (let next = await reader.read(); !next.done; next = await reader.read())
      text += Buffer.from(next.value).toString();
    return text;
  };
  return { leave: () => client.abort(), rest };
}

describe('a request that crosses processes', () => {
  it('ends in the second worker when its client leaves the frontend', async () => {
    await withChain(async ({ frontendUrl, second, asked }) => {
      const { leave } = await begin(frontendUrl, 'left', { 'x-request-id': 'mine' });
      await until(() => asked.length === 1);
      expect(asked.at(-1)).toEqual({ 'x-request-id': 'mine-0-0.draft' });
      leave();
      await until(() => second.cancelled.includes('left'));
    });
  });

  it('ends in the second worker when the first one dies in the middle', async () => {
    await withChain(async ({ frontendUrl, worker, second }) => {
      const { rest } = await begin(frontendUrl, 'orphan');
      worker.kill('SIGKILL');
      await until(() => second.cancelled.includes('orphan'));
      expect(await rest()).toContain('"error"');
    });
  });

  it('ends by its id at either worker: what stops there ends well, what is killed does not', async () => {
    await withChain(async ({ workerUrl, second, asked }) => {
      const post = async (url: string, path: string): Promise<unknown> =>
        (await fetch(`${url}/v1/requests/${path}`, { method: 'POST' })).json();
      const first = await begin(workerUrl, 'stopped', { 'x-request-id': 'a' });
      expect(await post(workerUrl, 'a/stop')).toEqual({ id: 'a', running: true });
      expect(await first.rest()).toContain('[DONE]');
      await until(() => second.cancelled.includes('stopped'));

      const next = await begin(workerUrl, 'killed', { 'x-request-id': 'b' });
      expect(await post(workerUrl, 'b/kill')).toEqual({ id: 'b', running: true });
      expect(await next.rest()).not.toContain('[DONE]');
      await until(() => second.cancelled.includes('killed'));

      const below = await begin(workerUrl, 'below', { 'x-request-id': 'c' });
      await until(() => asked.length === 3);
      expect(asked.at(-1)).toEqual({ 'x-request-id': 'c.draft' });
      expect(await post(second.url, 'c.draft/stop')).toEqual({ id: 'c.draft', running: true });
      expect(await below.rest()).toContain('[DONE]');

      expect(await post(workerUrl, 'later/kill')).toEqual({ id: 'later', running: false });
      const late = await fetch(`${workerUrl}/v1/completions`, {
        method: 'POST',
        headers: { 'x-request-id': 'later' },
        body: JSON.stringify({ prompt: 'late', max_tokens: 5000, stream: true }),
      });
      expect(late.status).toBe(499);
      expect(await late.text()).toContain('cancelled');
    });
  });

  it('takes what is left of its time along', async () => {
    await withChain(async ({ workerUrl, second, asked }) => {
      const { rest } = await begin(workerUrl, 'short', { 'x-request-timeout-ms': '4000' });
      await until(() => asked.length === 1);
      const left = Number(asked.at(-1)?.['x-request-timeout-ms']);
      expect(left).toBeGreaterThan(0);
      expect(left).toBeLessThanOrEqual(4000);
      expect(await rest()).toContain('"error"');
      await until(() => second.cancelled.includes('short'));
      const wrong = await fetch(`${workerUrl}/v1/completions`, {
        method: 'POST',
        headers: { 'x-request-timeout-ms': 'soon' },
        body: JSON.stringify({ prompt: 'x' }),
      });
      expect(wrong.status).toBe(400);
    });
  });
});
