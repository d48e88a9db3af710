import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startFrontend } from '../../dist/cjs/frontend/frontend.js';
import { busiest, endToy, post, startToy, stream, type ToyWorker } from '../frontend/fleet.js';
import { sleep, until } from '../helpers/package.js';
import { type EtcdServer, startEtcd } from './etcd-server.js';

const NAMES = ['DYN_DISCOVERY_BACKEND', 'ETCD_ENDPOINTS', 'ETCD_LEASE_TTL'];
let server: EtcdServer;
let toys: ToyWorker[] = [];
beforeEach(async () => {
  server = await startEtcd();
  process.env.DYN_DISCOVERY_BACKEND = 'etcd';
  process.env.ETCD_ENDPOINTS = server.endpoints.join(',');
  process.env.ETCD_LEASE_TTL = '3';
}, 60_000);
afterEach(async () => {
  for (const toy of toys) endToy(toy);
  toys = [];
  for (const name of NAMES) delete process.env[name];
  await server.close();
});

describe('a fleet in etcd', () => {
  it('loses no worker, no stream and no request while etcd is gone for long and comes back empty', async () => {
    toys = await Promise.all(['one', 'two'].map((name) => startToy(name)));
    await using frontend = await startFrontend({ port: 0 });
    await until(() => frontend.workers().filter(({ state }) => state === 'serving').length === 2);
    const whole = await stream(frontend.url, { prompt: 'a', max_tokens: 400, temperature: 0 });

    const long = stream(frontend.url, { prompt: 'a', max_tokens: 400, temperature: 0 });
    await server.kill();
    const end = Date.now() + 10_500;
    const statuses: number[] = [];
    while (Date.now() < end) {
      statuses.push((await post(frontend.url, { prompt: 'b', max_tokens: 4 })).status);
      await sleep(100);
    }
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
    expect((await long).text).toBe(whole.text);
    expect(frontend.discovery()).toMatchObject({ isSynced: false, instances: 2 });
    // A worker that dies meanwhile is seen all the same.
    const streams = stream(frontend.url, { prompt: 'a', max_tokens: 400, temperature: 0 });
    await until(() => frontend.inFlight === 1);
    await sleep(200);
    const lost = busiest(frontend, toys);
    lost.child.kill('SIGKILL');
    expect((await streams).text).toBe(whole.text);

    await server.start(true);
    const left = lost.name === 'one' ? 'two' : 'one';
    const keys = (): Promise<string> =>
      server.ctl('get', 'inference-health/v1/instances/', '--prefix', '--keys-only');
    await until(async () => (await keys()).trim().endsWith(`/${left}`), 20_000);
    await until(() => frontend.discovery()?.isSynced === true, 20_000);
    expect((await post(frontend.url, { prompt: 'b', max_tokens: 4 })).status).toBe(200);
    await until(() => frontend.workers().length === 1, 20_000);
    expect(toys.find(({ name }) => name === left)?.child.exitCode).toBe(null);
  }, 90_000);
});
