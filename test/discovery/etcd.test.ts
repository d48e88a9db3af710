import { afterAll, beforeAll, describe } from 'vitest';
import { discoverySettings } from '../../dist/cjs/discovery/settings.js';
import { conforms } from './conformance.js';
import { type EtcdServer, startEtcd } from './etcd-server.js';

describe('discovery in etcd', () => {
  let server: EtcdServer;
  beforeAll(async () => {
    server = await startEtcd();
  }, 60_000);
  afterAll(() => server.close());

  conforms(async () => ({
    settings: discoverySettings(
      { etcd: { endpoints: server.endpoints, leaseTtlMs: 2000, callTimeoutMs: 1000 } },
      {},
    ),
    async wipe() {
      await server.ctl('del', '', '--prefix');
    },
    async stored() {
      const keys = await server.ctl('get', '', '--prefix', '--keys-only');
      return keys.split('\n').filter((key) => key !== '');
    },
    async close() {
      await server.ctl('del', '', '--prefix');
    },
  }));
});
