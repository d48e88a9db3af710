import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDiscovery } from '../../dist/cjs/discovery/open.js';
import { discoverySettings } from '../../dist/cjs/discovery/settings.js';
import type { Discovery } from '../../dist/cjs/discovery/types.js';
import { until } from '../helpers/package.js';
import { conforms, endRegistrants, follow, instanceOf, startRegistrant } from './conformance.js';

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'ih-'));
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));
const settings = () => discoverySettings({ backend: 'memory', directory: join(parent, 'run') }, {});

describe('discovery on one machine', () => {
  conforms(async () => {
    const directory = join(parent, 'run');
    return {
      settings: settings(),
      wipe: async () => rmSync(directory, { recursive: true }),
      stored: async () => (existsSync(directory) ? readdirSync(directory) : []),
      close: async () => undefined,
    };
  });
});

describe('the run directory', () => {
  let opened: Discovery[] = [];
  afterEach(async () => {
    endRegistrants();
    await Promise.all(opened.map((each) => each.close()));
    opened = [];
  });
  const open = async (): Promise<Discovery> => {
    const discovery = await openDiscovery(settings(), { log: () => undefined });
    opened.push(discovery);
    return discovery;
  };

  it('is made for this user alone, and refused where others may write, own it, or have put a link', async () => {
    const directory = join(parent, 'run');
    await (await open()).register(instanceOf('one'));
    await opened.pop()?.close();
    chmodSync(directory, 0o755);
    await expect((await open()).register(instanceOf('one'))).rejects.toThrow(/mode 0700/);
    rmSync(directory, { recursive: true });
    mkdirSync(join(parent, 'elsewhere'), { mode: 0o700 });
    symlinkSync(join(parent, 'elsewhere'), directory);
    await expect((await open()).register(instanceOf('one'))).rejects.toThrow(/no link/);
    const { watch } = follow(await open());
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(watch.isSynced).toBe(false);
  });

  it('is rid of what crashed processes left there, and of nothing else', async () => {
    const directory = join(parent, 'run');
    const { child } = await startRegistrant(settings(), instanceOf('one'));
    child.kill('SIGKILL');
    writeFileSync(join(directory, 'notes.txt'), '');
    await until(() => child.exitCode !== null || child.signalCode !== null);
    expect(readdirSync(directory)).toHaveLength(2);
    follow(await open());
    await until(() => readdirSync(directory).join() === 'notes.txt');
  });

  it('is read in spite of sockets that say nothing, or nonsense', async () => {
    mkdirSync(join(parent, 'run'), { mode: 0o700 });
    const servers = ['garbage\n', '{"type":"Endpoint"}\n', ''].map((text, index) => {
      const server = createServer((socket) => socket.end(text));
      server.listen(join(parent, 'run', `${index}.sock`));
      return server;
    });
    const silent = createServer(() => undefined).listen(join(parent, 'run', '9.sock'));
    await (await open()).register(instanceOf('one'));
    const { workers, watch } = follow(await open());
    await until(() => workers().join() === 'one');
    expect(watch.isSynced).toBe(true);
    for (const server of [...servers, silent]) server.close();
  });

  it('keeps a stopped process registered: whether it answers is for its beacons to say', async () => {
    const { child } = await startRegistrant(settings(), instanceOf('one'));
    const { workers } = follow(await open());
    await until(() => workers().length === 1);
    child.kill('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(workers()).toEqual(['one']);
    const { watch } = follow(await open());
    await until(() => watch.isSynced);
  });

  it('tells nobody who may not enter it', async () => {
    await (await open()).register(instanceOf('one'));
    const [name] = readdirSync(join(parent, 'run'));
    const socket = connect({ path: join(parent, 'run', name!) });
    const text = await new Promise<string>((resolve) => socket.once('data', (data) => resolve(String(data))));
    socket.destroy();
    expect(JSON.parse(text)).toMatchObject({
      type: 'Endpoint',
      worker: 'one',
      transport: { http: expect.any(String) },
    });
  });
});
