import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { openEtcd } from '../../dist/cjs/discovery/etcd/client.js';
import { createRangeSource } from '../../dist/cjs/discovery/etcd/range-source.js';
import { openDiscovery } from '../../dist/cjs/discovery/open.js';
import type { DiscoveryOptions, EtcdOptions } from '../../dist/cjs/discovery/options.js';
import { type DiscoverySettings, discoverySettings } from '../../dist/cjs/discovery/settings.js';
import type { Discovery } from '../../dist/cjs/discovery/types.js';
import { sleep, until } from '../helpers/package.js';
import { endRegistrants, follow, instanceOf, startRegistrant } from './conformance.js';
import { type EtcdServer, type EtcdServerOptions, startEtcd } from './etcd-server.js';

let server: EtcdServer | null = null;
let opened: Discovery[] = [];
const logged: string[] = [];

async function start(options: EtcdServerOptions = {}): Promise<EtcdServer> {
  server = await startEtcd(options);
  return server;
}
function settingsOf(etcd: EtcdOptions = {}, options: DiscoveryOptions = {}): DiscoverySettings {
  const endpoints = server?.endpoints ?? [];
  return discoverySettings(
    { ...options, etcd: { endpoints, leaseTtlMs: 2000, callTimeoutMs: 500, ...etcd } },
    {},
  );
}
async function open(settings = settingsOf()): Promise<Discovery> {
  const log = (fields: object, message: string): void => {
    logged.push(`${message} ${JSON.stringify(fields)}`);
  };
  const discovery = await openDiscovery(settings, { log });
  opened.push(discovery);
  return discovery;
}
const rejections: unknown[] = [];
const onRejection = (error: unknown): void => {
  rejections.push(error);
};
process.on('unhandledRejection', onRejection);
afterEach(async () => {
  endRegistrants();
  await Promise.all(opened.map((each) => each.close()));
  opened = [];
  logged.length = 0;
  await server?.close();
  server = null;
  expect(rejections).toEqual([]);
});

/** Asked again where the store does not answer yet. */
const instances = async (): Promise<string[]> =>
  (
    await until(async () => {
      const ctl = server?.ctl('get', 'inference-health/v1/instances/', '--prefix', '--keys-only');
      const keys = await ctl?.catch(() => null);
      return typeof keys === 'string' && { keys };
    })
  ).keys
    .split('\n')
    .filter((key) => key !== '')
    .map((key) => key.replace(/^.*\//, ''));

describe('a registration in etcd', () => {
  it('outlives a main thread that is blocked for longer than the lease', async () => {
    await start();
    const { child } = await startRegistrant(settingsOf({ leaseTtlMs: 3000 }), instanceOf('one'));
    await until(async () => (await instances()).length === 1);
    child.send({ blockMs: 6000 });
    for (let look = 0; look < 10; look += 1) {
      await sleep(500);
      expect(await instances()).toEqual(['one']);
    }
  });

  it('is let go while the engine stands still, and taken again when it moves', async () => {
    await start();
    const { child } = await startRegistrant(settingsOf({ hangMs: 2000 }), instanceOf('one'));
    await until(async () => (await instances()).length === 1);
    child.send({ stands: true });
    await until(async () => (await instances()).length === 0, 15_000);
    child.send({ stands: false });
    await until(async () => (await instances()).length === 1, 15_000);
  });

  it('comes back after an outage of any length, to a store that has lost everything', async () => {
    const etcd = await start();
    const { child, unhandled } = await startRegistrant(settingsOf(), instanceOf('one'));
    const { workers, watch, changes } = follow(await open(), () => true);
    await until(() => workers().length === 1);
    await etcd.kill();
    await sleep(5000);
    expect(workers()).toEqual(['one']);
    await until(() => !watch.isSynced);
    await etcd.start(true);
    await until(async () => (await instances()).length === 1, 20_000);
    await until(() => watch.isSynced, 20_000);
    expect(workers()).toEqual(['one']);
    expect(changes.flatMap(({ removed }) => removed)).toEqual([]);
    expect([child.exitCode, unhandled]).toEqual([null, []]);
  });

  it('waits for a store that is not there yet', async () => {
    const etcd = await start();
    await etcd.kill();
    const registration = await (await open()).register(instanceOf('one'));
    const { workers, watch } = follow(await open());
    await sleep(1000);
    expect([registration.status, watch.isSynced, watch.ageMs]).toEqual([
      'starting',
      false,
      Number.POSITIVE_INFINITY,
    ]);
    await until(() => /discovery does not answer/.test(logged.join()));
    await etcd.start();
    await until(() => registration.status === 'registered', 20_000);
    await until(() => workers().length === 1, 20_000);
  });

  it('is not taken over by an earlier life of the same worker, nor written by two', async () => {
    await start();
    const early = instanceOf('one', { ref: { worker: 'one', incarnation: 'aaaaaaaa-0000000000000001' } });
    const late = instanceOf('one', { ref: { worker: 'one', incarnation: 'aaaaaaab-0000000000000002' } });
    await (await open()).register(late);
    const { find } = follow(await open());
    await until(() => find('one') !== undefined);
    const straggler = await (await open()).register(early);
    await until(() => logged.some((line) => line.includes('a later life of this worker')));
    await sleep(500);
    expect(find('one')?.ref).toEqual(late.ref);
    expect(straggler.status).toBe('starting');
  });
});

describe('a watch of etcd', () => {
  it('is lost, to be listed anew, when what it would tell is compacted', async () => {
    const etcd = await start();
    const client = await openEtcd(settingsOf().etcd);
    const options = { prefix: 'p/', decode: () => null, log: () => undefined };
    const source = createRangeSource(async () => client, options);
    await etcd.ctl('put', 'p/a', '1');
    const { revision } = await source.list();
    await etcd.ctl('put', 'p/a', '2');
    await etcd.ctl('put', 'p/a', '3');
    await etcd.ctl('compact', String(revision + 2));
    const lost = await new Promise<Error>((resolve) =>
      source.watch(revision, { events: () => undefined, lost: resolve }),
    );
    expect(lost.message).toMatch(/compacted/);
    client.close();
  });

  it('that has missed a change is found out', async () => {
    const etcd = await start();
    const client = await openEtcd(settingsOf().etcd);
    // A watch that tells nothing, as one at a member that is cut off from the others.
    const deaf = { ...client, watch: () => ({ close: () => undefined }) };
    const options = { prefix: 'p/', decode: () => null, log: () => undefined, checkMs: 100 };
    const source = createRangeSource(async () => deaf, options);
    const { revision } = await source.list();
    const lost = new Promise<Error>((resolve) =>
      source.watch(revision, { events: () => undefined, lost: resolve }),
    );
    await etcd.ctl('put', 'p/a', '1');
    expect((await lost).message).toMatch(/missed changes/);
    client.close();
  });

  it('keeps what it knows while the store is stopped, and goes on when it is continued', async () => {
    const etcd = await start();
    await startRegistrant(settingsOf(), instanceOf('one'));
    const { workers } = follow(await open(), () => true);
    await until(() => workers().length === 1);
    etcd.signal('SIGSTOP');
    await sleep(4000);
    expect(workers()).toEqual(['one']);
    etcd.signal('SIGCONT');
    await (await open()).register(instanceOf('two'));
    await until(() => workers().join() === 'one,two', 30_000);
    await until(async () => (await instances()).length === 2, 20_000);
  });

  it('survives the death of each leader in turn', async () => {
    const etcd = await start({ members: 3 });
    const { child } = await startRegistrant(settingsOf(), instanceOf('one'));
    const { workers, changes } = follow(await open(), () => true);
    await until(() => workers().length === 1);
    for (const name of ['two', 'three']) {
      const leader = await etcd.leader();
      await etcd.kill(leader);
      await (await open()).register(instanceOf(name));
      await until(() => workers().includes(name), 20_000);
      await etcd.start();
    }
    expect(workers()).toEqual(['one', 'three', 'two']);
    expect(changes.flatMap(({ removed }) => removed)).toEqual([]);
    expect(child.exitCode).toBe(null);
  });
});

describe('etcd behind a password', () => {
  it('is used with the rights that the documentation names, and refuses the wrong password', async () => {
    const etcd = await start();
    await etcd.ctl('user', 'add', 'root:secret');
    await etcd.ctl('user', 'grant-role', 'root', 'root').catch(async () => {
      await etcd.ctl('role', 'add', 'root');
      await etcd.ctl('user', 'grant-role', 'root', 'root');
    });
    for (const [user, rights] of [
      ['worker', [['readwrite', 'inference-health/v1/']]],
      [
        'frontend',
        [
          ['read', 'inference-health/v1/'],
          ['read', 'v1/'],
        ],
      ],
    ] as const) {
      await etcd.ctl('role', 'add', user);
      for (const [right, prefix] of rights)
        await etcd.ctl('role', 'grant-permission', '--prefix=true', user, right, prefix);
      await etcd.ctl('user', 'add', `${user}:pass`);
      await etcd.ctl('user', 'grant-role', user, user);
    }
    await etcd.ctl('auth', 'enable');
    await (await open(settingsOf({ username: 'worker', password: 'pass' }))).register(instanceOf('one'));
    const { workers, find } = follow(await open(settingsOf({ username: 'frontend', password: 'pass' })));
    await until(() => workers().length === 1);
    await sleep(3000);
    expect(find('one')?.state).toBe('serving');
    const wrong = follow(await open(settingsOf({ username: 'frontend', password: 'wrong' })));
    await until(() => logged.some((line) => /invalid user ID or password/.test(line)));
    expect(wrong.workers()).toEqual([]);
  });
});

describe('etcd with TLS', () => {
  function makeCertificates(directory: string): void {
    const openssl = (...args: string[]): void => {
      execFileSync('openssl', args, { cwd: directory, stdio: 'ignore' });
    };
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=ca', '-days', '2');
    for (const name of ['server', 'client']) {
      openssl(
        'req',
        ...key,
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.csr`,
        '-subj',
        `/CN=${name}`,
        '-addext',
        'subjectAltName=IP:127.0.0.1',
      );
      openssl(
        'x509',
        '-req',
        '-in',
        `${name}.csr`,
        '-CA',
        'ca.pem',
        '-CAkey',
        'ca.key',
        '-CAcreateserial',
        '-out',
        `${name}.pem`,
        '-days',
        '2',
        '-copy_extensions',
        'copy',
      );
    }
  }

  it('is used with a certificate of its own, and not without', async () => {
    let isMade = false;
    const files = (directory: string) => (name: string) => {
      if (!isMade) makeCertificates(directory);
      isMade = true;
      return join(directory, name);
    };
    const etcd = await start({
      scheme: 'https',
      flags(directory) {
        const file = files(directory);
        return [
          '--cert-file',
          file('server.pem'),
          '--key-file',
          file('server.key'),
          '--trusted-ca-file',
          file('ca.pem'),
          '--client-cert-auth',
        ];
      },
      ctlFlags(directory) {
        const file = files(directory);
        return [`--cacert=${file('ca.pem')}`, `--cert=${file('client.pem')}`, `--key=${file('client.key')}`];
      },
    });
    const file = (name: string): string => join(etcd.directory, name);
    const tls = { ca: file('ca.pem'), cert: file('client.pem'), key: file('client.key') };
    await (await open(settingsOf(tls))).register(instanceOf('one'));
    const { workers } = follow(await open(settingsOf(tls)));
    await until(() => workers().length === 1);
    const without = follow(await open(settingsOf({ ca: tls.ca })));
    await sleep(1500);
    expect([without.workers(), without.watch.isSynced]).toEqual([[], false]);
  });
});
