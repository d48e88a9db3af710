import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { connectionLimit } from '../../lib/probe/connection-limit.js';
import { ENGINES, type Engine } from './probe-server.js';
import { exchange, openRaw, type RawClient, request } from './raw-client.js';

const PATIENT = { timeout: 20_000, interval: 20 };

/** What `descriptors.cjs` does when asked. */
type Ask = (command: 'open' | 'close' | 'connections', argument?: number) => Promise<number>;

/** Runs `use` against a process of its own that may have `limit` descriptors. */
async function withLimit(
  engine: Engine,
  limit: number,
  use: (port: number, ask: Ask) => Promise<void>,
): Promise<void> {
  const script = join(import.meta.dirname, 'descriptors.cjs');
  const child = spawn('sh', ['-c', `ulimit -n ${limit}; exec "$0" "$@"`, process.execPath, script, engine], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const ended = once(child, 'exit');
  const next = async () => ((await once(child, 'message')) as [number])[0];
  try {
    const port = await next();
    await use(port, (command, argument) => {
      const answer = next();
      child.send({ command, argument });
      return answer;
    });
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

const crowdOf = (count: number, port: number) =>
  Promise.all(Array.from({ length: count }, () => openRaw(port)));

async function probe(client: RawClient): Promise<number> {
  client.send(request('GET', '/live'));
  return (await client.response()).status;
}

describe.each(ENGINES)('%s, where descriptors are few,', (engine) => {
  test('leaves most of them to the application, however many connect, and serves who is connected', () =>
    withLimit(engine, 1_024, async (port, ask) => {
      const limit = Math.floor(1_024 / 3);
      const kept = await openRaw(port);
      expect(await probe(kept)).toBe(200);
      const crowd = await crowdOf(1_100, port);
      await vi.waitFor(async () => expect(await ask('connections')).toBe(limit), PATIENT);
      await vi.waitFor(async () => expect(await ask('open', 550)).toBe(550), PATIENT);
      expect(await ask('connections')).toBe(limit);
      expect(await probe(kept)).toBe(200);
      for (const client of crowd) client.close('reset');
      await vi.waitFor(async () => {
        expect((await exchange(port, request('GET', '/live'))).status).toBe(200);
      }, PATIENT);
      await vi.waitFor(async () => expect(await ask('connections')).toBe(1), PATIENT);
      kept.close();
    }));

  test('serves who is connected when the application takes them all, and everybody once there are some again', () =>
    withLimit(engine, 120, async (port, ask) => {
      const kept = await openRaw(port);
      expect(await probe(kept)).toBe(200);
      await ask('open', 120);
      // These wait in the backlog, or are closed by node:http.
      const crowd = await crowdOf(50, port);
      for (let round = 0; round < 3; round += 1) {
        expect(await probe(kept)).toBe(200);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      for (const client of crowd) client.close('reset');
      await ask('close');
      expect((await exchange(port, request('GET', '/live'))).status).toBe(200);
      kept.close();
    }));
});

describe('the limit of connections', () => {
  const limits = (soft: string) =>
    `Max processes             1                    1                    processes \nMax open files            ${soft.padEnd(20)} 524288               files     \n`;

  test.each([
    ['100', 64],
    ['1024', 341],
    ['20000', 6_666],
    ['1048576', 8_192],
    ['unlimited', 8_192],
  ])('of a process with %s descriptors is %i', (soft, expected) => {
    expect(connectionLimit(limits(soft))).toBe(expected);
  });

  test('is 512 where the system does not tell', () => {
    expect(connectionLimit('')).toBe(512);
  });
});
