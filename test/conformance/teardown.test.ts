import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ENGINES, type Engine } from './probe-server.js';
import { openRaw, type RawClient, request } from './raw-client.js';

/** None of these ends takes a second; one that hangs is killed, and fails by its signal. */
const KILL_AFTER_MS = 30_000;

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** Probes of every kind while the process ends: kept alive, waiting for a late answer, half sent, idle, one after another. */
async function keepBusy(port: number): Promise<() => void> {
  const clients: RawClient[] = [];
  const open = async (first: string) => {
    const client = await openRaw(port);
    clients.push(client);
    client.send(first);
    return client;
  };
  await Promise.all([
    open(request('GET', '/later?60000')),
    open('GET /live HT'),
    open(''),
    open(request('GET', '/big')),
  ]);
  const loops = Array.from({ length: 8 }, async () => {
    try {
      const client = await open('');
      for (;;) {
        client.send(request('GET', '/live'));
        await client.response();
      }
    } catch {
      // The process has ended, as it should.
    }
  });
  return () => {
    for (const client of clients) client.close();
    void Promise.allSettled(loops);
  };
}

async function endOf(engine: Engine, scenario: string, act?: (child: ChildProcess) => void): Promise<End> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'teardown.cjs'), engine, scenario], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  let rest = () => {};
  child.stdout.once('data', async (line) => {
    rest = await keepBusy(Number(line)).catch(() => rest);
    act?.(child);
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  clearTimeout(timer);
  rest();
  return { code, signal, stderr };
}

describe.each(ENGINES)('a process with %s on a thread, in the middle of requests', (engine) => {
  test.each([
    ['process.exit', 5],
    ['process.exit at once', 5],
    ['process.exit after a block', 5],
    ['natural end', 0],
    ['exit code set', 7],
    ['close', 4],
    ['error on the thread', 3],
    ['process.exit on the thread', 3],
  ])('ends cleanly by %s', async (scenario, code) => {
    expect(await endOf(engine, scenario)).toEqual({ code, signal: null, stderr: '' });
  });

  test.each(['uncaught error', 'unhandled rejection'])(
    'ends with 1 by %s, and only says why',
    async (scenario) => {
      const { code, signal, stderr } = await endOf(engine, scenario);
      expect({ code, signal }).toEqual({ code: 1, signal: null });
      expect(stderr).toContain('Error: on purpose');
      expect(stderr).not.toMatch(/Assertion|uv_loop_close|terminate called/);
    },
  );

  test('ends by SIGTERM at once', async () => {
    const end = await endOf(engine, 'SIGTERM', (child) => child.kill('SIGTERM'));
    expect(end).toEqual({ code: null, signal: 'SIGTERM', stderr: '' });
  });

  test('ends cleanly again and again', async () => {
    for (let round = 0; round < 6; round += 1) {
      const scenario = round % 2 === 0 ? 'process.exit at once' : 'process.exit';
      expect(await endOf(engine, scenario)).toEqual({ code: 5, signal: null, stderr: '' });
    }
  });
});
