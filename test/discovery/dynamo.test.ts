import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openDiscovery } from '../../dist/cjs/discovery/open.js';
import { discoverySettings } from '../../dist/cjs/discovery/settings.js';
import type { Discovery } from '../../dist/cjs/discovery/types.js';
import { startFrontend } from '../../dist/cjs/frontend/frontend.js';
import { until } from '../helpers/package.js';
import { follow, instanceOf } from './conformance.js';
import { type EtcdServer, startEtcd } from './etcd-server.js';

let server: EtcdServer;
let opened: Discovery[] = [];
beforeAll(async () => {
  server = await startEtcd();
}, 60_000);
afterAll(() => server.close());
afterEach(async () => {
  await Promise.all(opened.map((each) => each.close()));
  opened = [];
  await server.ctl('del', '', '--prefix');
});
const settings = (options = {}) =>
  discoverySettings({ ...options, etcd: { endpoints: server.endpoints, leaseTtlMs: 2000 } }, {});
async function open(options = {}): Promise<Discovery> {
  const discovery = await openDiscovery(settings(options), { log: () => undefined });
  opened.push(discovery);
  return discovery;
}

/** As a worker of September 2025 registers, under today's keys. The id is more than a number holds. */
const ID = 7587888160958627365n;
const HEX = '694d98147d54be25';
async function registerDocumented(): Promise<void> {
  for (const endpoint of ['load_metrics', 'generate', 'clear_kv_blocks'])
    await server.ctl(
      'put',
      `v1/instances/dynamo/backend/${endpoint}/${HEX}`,
      `{"type":"Endpoint","component":"backend","endpoint":"${endpoint}","namespace":"dynamo","instance_id":${ID},"transport":{"nats_tcp":"dynamo_backend.${endpoint}-${HEX}"}}`,
    );
}
const text = async (url: string): Promise<string> => (await fetch(`${url}/health`)).text();

describe("a frontend beside a fleet of Dynamo's", () => {
  it('lists its registrations as documented, with all digits of their ids, and routes to none', async () => {
    const discovery = { etcd: { endpoints: server.endpoints } };
    await using frontend = await startFrontend({ port: 0, discovery });
    expect(Buffer.byteLength(await text(frontend.url))).toBe(72);
    await registerDocumented();
    await until(async () => (await text(frontend.url)).length === 609);
    expect(await text(frontend.url)).toContain(
      `{"component":"backend","endpoint":"clear_kv_blocks","instance_id":${ID},"namespace":"dynamo","transport":{"nats_tcp":"dynamo_backend.clear_kv_blocks-${HEX}"}}`,
    );
    expect(frontend.workers()).toEqual([]);
    await server.ctl('del', 'v1/instances/', '--prefix');
    await until(async () => (await text(frontend.url)).length === 72);
  });

  it('keeps fields that it does not know, and names the endpoints that have a model record', async () => {
    const { watch } = follow(await open());
    for (const [component, id] of [
      ['decode', 'ffffffffffffffff'],
      ['prefill', '1'],
    ] as const)
      await server.ctl(
        'put',
        `v1/instances/prod/${component}/generate/${id}`,
        `{"type":"Endpoint","component":"${component}","endpoint":"generate","namespace":"prod","instance_id":${BigInt(`0x${id}`)},"transport":{"tcp":"10.0.0.4:41233/${id}/generate"},"device_type":"cuda","request_plane_codec":"msgpack","next":{"big":18446744073709551615}}`,
      );
    await server.ctl('put', 'v1/instances/prod/decode/generate/2', '{"type":"Endpoint"');
    await until(() => watch.size === 2);
    expect(watch.instances().map(({ hasModel }) => hasModel)).toEqual([true, true]);
    await server.ctl(
      'put',
      'v1/mdc/prod/decode/generate/ffffffffffffffff',
      '{"type":"Model","namespace":"prod","component":"decode","endpoint":"generate","instance_id":18446744073709551615,"card_json":{}}',
    );
    await server.ctl('put', 'v1/mdc/prod/prefill/other/1', '{}');
    await until(() => watch.instances().filter(({ hasModel }) => hasModel).length === 1);
    const decode = watch.instances().find(({ component }) => component === 'decode');
    expect(decode).toMatchObject({
      hasModel: true,
      instanceId: 0xffffffffffffffffn,
      ref: null,
      extra: { device_type: 'cuda', request_plane_codec: 'msgpack', next: { big: 18446744073709551615n } },
    });
    await server.ctl('del', 'v1/mdc/', '--prefix');
    await until(() => watch.instances().every(({ hasModel }) => hasModel));
  });
});

describe('a worker that registers for Dynamo too', () => {
  it("is under Dynamo's key while it serves, is listed once, and leaves both", async () => {
    const { watch, find } = follow(await open(), () => true);
    const registration = await (await open({ dynamoRegister: true })).register(instanceOf('one'));
    const key = `v1/instances/dynamo/backend/generate/${registration.instanceId.toString(16)}`;
    const theirs = (): Promise<string> => server.ctl('get', key, '--print-value-only');
    await until(async () => (await theirs()) !== '');
    expect(await theirs()).toMatch(
      new RegExp(`"type":"Endpoint".*"instance_id":${registration.instanceId},"transport":{"http":`),
    );
    await until(() => find('one') !== undefined);
    expect(watch.size).toBe(1);
    registration.setState('draining');
    await until(async () => (await theirs()) === '');
    await until(() => find('one')?.state === 'draining');
    await registration.close();
    await until(() => watch.size === 0);
  });

  it('is not under it unless that was asked for', async () => {
    const registration = await (await open()).register(instanceOf('one'));
    await until(() => registration.status === 'registered');
    expect(await server.ctl('get', 'v1/', '--prefix')).toBe('');
  });
});
