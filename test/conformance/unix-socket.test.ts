import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chownSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { ListenTarget } from '../../lib/probe/server.js';
import { boundOf, ENGINES, type TestServer, withProbeServer } from './probe-server.js';
import { exchange, openRaw, request } from './raw-client.js';

const unix = (path: string, mode = 0o600): ListenTarget => ({ kind: 'unix', path, mode });

async function failure(server: TestServer, target: ListenTarget): Promise<{ code: string; message: string }> {
  const result = await server.listen(target);
  if (result.ok) throw new Error(`listened on ${JSON.stringify(result.bound)}`);
  return result.failure;
}

/** A socket file whose owner was killed. */
function leaveDeadSocket(path: string): void {
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script]);
  expect(lstatSync(path).isSocket()).toBe(true);
}

/** Every file below, links not followed. */
const treeOf = (directory: string): string[] =>
  readdirSync(directory, { recursive: true }).map(String).sort();

async function expectServed(path: string): Promise<void> {
  expect((await exchange({ path }, request('GET', '/live'))).status).toBe(200);
}

describe.each(ENGINES)('unix sockets of %s', (engine) => {
  const on =
    (use: (server: TestServer, path: string, directory: string) => Promise<void>) =>
    async (): Promise<void> => {
      const directory = mkdtempSync(join(tmpdir(), 'probe-'));
      try {
        await withProbeServer(engine, (server) => use(server, join(directory, 'health.sock'), directory));
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    };

  test(
    'serve only their owner by default, and leave nothing else behind',
    on(async (server, path, directory) => {
      expect(boundOf(await server.listen(unix(path)))).toEqual({ kind: 'unix', path });
      expect(statSync(path).mode & 0o777).toBe(0o600);
      expect(readdirSync(directory)).toEqual(['health.sock']);
      await expectServed(path);
      expect(await server.errors()).toEqual([]);
    }),
  );

  test(
    'get the mode that was asked for',
    on(async (server, path) => {
      boundOf(await server.listen(unix(path, 0o666)));
      expect(statSync(path).mode & 0o777).toBe(0o666);
    }),
  );

  test(
    'never have a wider mode under their public name',
    on(async (server, path, directory) => {
      // Opened again and again while a reader looks as fast as it can.
      const seen = new Set<number>();
      let isLooking = true;
      const look = (): void => {
        for (let glance = 0; glance < 50; glance += 1) {
          const info = statSync(path, { throwIfNoEntry: false });
          if (info !== undefined) seen.add(info.mode & 0o777);
          for (const name of readdirSync(directory)) {
            if (name !== 'health.sock')
              seen.add(statSync(join(directory, name), { throwIfNoEntry: false })?.mode ?? 0);
          }
        }
        if (isLooking) setImmediate(look);
      };
      look();
      for (let round = 0; round < 20; round += 1) {
        boundOf(await server.listen(unix(path)));
        rmSync(path);
      }
      isLooking = false;
      // The socket itself, and the directory in which it was made; 0: it vanished between the two calls.
      for (const mode of seen) expect([0, 0o600, 0o40700]).toContain(mode);
    }),
  );

  test(
    'take the place of a dead socket',
    on(async (server, path, directory) => {
      leaveDeadSocket(path);
      boundOf(await server.listen(unix(path)));
      await expectServed(path);
      expect(readdirSync(directory)).toEqual(['health.sock']);
    }),
  );

  test(
    'leave a live socket alone',
    on(async (server, path, directory) => {
      const owner = createServer((socket) => socket.end('owner'));
      owner.listen(path);
      await once(owner, 'listening');
      const { code, message } = await failure(server, unix(path));
      expect(code).toBe('ERR_PORT_IN_USE');
      expect(message).toContain(`unix:${path}: expected a free path, but a live socket is there`);
      const client = await openRaw({ path });
      expect(await client.ended()).toBe('owner');
      client.close();
      expect(readdirSync(directory)).toEqual(['health.sock']);
      owner.close();
    }),
  );

  test(
    'leave any other file alone',
    on(async (server, path, directory) => {
      const occupants: readonly (readonly [string, () => void])[] = [
        ['file', () => writeFileSync(path, 'data')],
        ['directory', () => mkdirSync(path)],
        ['link', () => symlinkSync(join(directory, 'nowhere'), path)],
        ['fifo', () => void spawnSync('mkfifo', [path])],
      ];
      for (const [name, occupy] of occupants) {
        occupy();
        const before = lstatSync(path);
        const { code, message } = await failure(server, unix(path));
        expect({ name, code }).toEqual({ name, code: 'ERR_PORT_IN_USE' });
        expect(message).toContain('not a socket');
        expect(lstatSync(path).ino).toBe(before.ino);
        rmSync(path, { recursive: true });
      }
      expect(readdirSync(directory)).toEqual([]);
    }),
  );

  test(
    'go to one of two servers that want the same path at once',
    on(async (server, path) => {
      leaveDeadSocket(path);
      await withProbeServer(engine, async (other) => {
        const results = await Promise.all([server, other].map((each) => each.listen(unix(path))));
        expect(results.filter(({ ok }) => ok).length).toBe(1);
        await expectServed(path);
      });
    }),
  );

  test(
    'clean up what a start left behind when it was killed',
    on(async (server, path, directory) => {
      const leftover = join(directory, '.health.sock~');
      mkdirSync(leftover, { mode: 0o700 });
      leaveDeadSocket(join(leftover, 'abcd'));
      utimesSync(leftover, 1, 1);
      boundOf(await server.listen(unix(path)));
      expect(readdirSync(directory)).toEqual(['health.sock']);
    }),
  );

  test(
    'wait for a start that is under way',
    on(async (server, path, directory) => {
      const held = join(directory, '.health.sock~');
      mkdirSync(held, { mode: 0o700 });
      const listening = server.listen(unix(path));
      await sleep(200);
      rmdirSync(held);
      boundOf(await listening);
      expect(readdirSync(directory)).toEqual(['health.sock']);
    }),
  );

  test(
    'never delete what somebody put where a start is set up',
    on(async (server, path, directory) => {
      const held = join(directory, '.health.sock~');
      const elsewhere = join(directory, 'elsewhere');
      mkdirSync(elsewhere);
      leaveDeadSocket(join(elsewhere, 'dead'));
      writeFileSync(join(elsewhere, 'data'), 'data');
      const occupants: readonly (readonly [string, string, () => void])[] = [
        ['file', 'not a directory of this user', () => writeFileSync(held, 'data')],
        ['link to a directory', 'not a directory of this user', () => symlinkSync(elsewhere, held)],
        ['directory open to others', 'only this user may enter', () => mkdirSync(held, { mode: 0o755 })],
        ['file inside', 'it holds "data"', () => inside('data', (entry) => writeFileSync(entry, 'data'))],
        ['directory inside', 'it holds "sub"', () => inside('sub', (entry) => mkdirSync(entry))],
        ['link inside', 'it holds "link"', () => inside('link', (entry) => symlinkSync(elsewhere, entry))],
      ];
      function inside(name: string, make: (entry: string) => void): void {
        mkdirSync(held, { mode: 0o700 });
        leaveDeadSocket(join(held, 'abcd'));
        make(join(held, name));
      }
      for (const [name, reason, occupy] of occupants) {
        occupy();
        lutimesSync(held, 1, 1);
        const before = treeOf(directory);
        const { code, message } = await failure(server, unix(path));
        expect({ name, code }).toEqual({ name, code: 'ERR_PORT_IN_USE' });
        expect(message).toContain(`unix:${path}: expected to make ${held} while the socket is set up`);
        expect(message).toContain(reason);
        expect({ name, tree: treeOf(directory) }).toEqual({ name, tree: before });
        rmSync(held, { recursive: true });
      }
      boundOf(await server.listen(unix(path)));
    }),
  );

  test.skipIf(process.getuid?.() !== 0)(
    "never delete another user's directory",
    on(async (server, path, directory) => {
      const held = join(directory, '.health.sock~');
      mkdirSync(join(held, 'sub'), { mode: 0o700, recursive: true });
      leaveDeadSocket(join(held, 'abcd'));
      chownSync(held, 65534, 65534);
      utimesSync(held, 1, 1);
      const before = treeOf(directory);
      const { code, message } = await failure(server, unix(path));
      expect(code).toBe('ERR_PORT_IN_USE');
      expect(message).toContain(
        `${held} while the socket is set up, but what is there is not a directory of this user`,
      );
      expect(treeOf(directory)).toEqual(before);
    }),
  );

  test(
    'are removed on close',
    on(async (server, path, directory) => {
      boundOf(await server.listen(unix(path)));
      await server.close();
      expect(readdirSync(directory)).toEqual([]);
      await expect(openRaw({ path })).rejects.toThrow('ENOENT');
    }),
  );

  test(
    'are not removed on close when they belong to another by then',
    on(async (server, path, directory) => {
      boundOf(await server.listen(unix(path)));
      renameSync(path, join(directory, 'moved'));
      writeFileSync(path, 'successor');
      await server.close();
      expect(readdirSync(directory).sort()).toEqual(['health.sock', 'moved']);
      expect(lstatSync(path).isFile()).toBe(true);
    }),
  );

  test(
    'have paths of at most 100 bytes, and a message that says so',
    on(async (server, _path, directory) => {
      const longest = join(directory, 'x'.repeat(100 - Buffer.byteLength(directory) - 1));
      boundOf(await server.listen(unix(longest)));
      await expectServed(longest);
      const { code, message } = await failure(server, unix(`${longest}x`));
      expect(code).toBe('ERR_HOST_INVALID');
      expect(message).toContain('expected a path of at most 100 bytes, got 101');
      // Bytes, not characters.
      expect((await failure(server, unix(`${longest.slice(0, -1)}é`))).code).toBe('ERR_HOST_INVALID');
    }),
  );

  test(
    'need a directory that exists',
    on(async (server, path, directory) => {
      writeFileSync(path, '');
      for (const bad of [
        '',
        join(directory, 'none/health.sock'),
        join(path, 'x'),
        `${directory}/`,
        '\0abstract',
      ]) {
        expect({ bad, code: (await failure(server, unix(bad))).code }).toEqual({
          bad,
          code: 'ERR_HOST_INVALID',
        });
      }
    }),
  );
});
