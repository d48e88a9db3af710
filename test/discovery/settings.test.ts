import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { advertisedUrl } from '../../lib/discovery/advertise.js';
import type { DiscoveryOptions } from '../../lib/discovery/options.js';
import { discoverySettings } from '../../lib/discovery/settings.js';

const at = (options: DiscoveryOptions, environment: Record<string, string> = {}) =>
  discoverySettings(options, { XDG_RUNTIME_DIR: '/nowhere', ...environment });

describe('settings of discovery', () => {
  it('are those of one machine unless etcd is asked for, by name or by its endpoints', () => {
    expect(at({})).toMatchObject({
      backend: 'memory',
      isExplicit: false,
      name: { namespace: 'dynamo', component: 'backend', endpoint: 'generate' },
      directory: `/tmp/inference-health-${process.geteuid?.()}`,
      dynamoRegister: false,
    });
    expect(at({}, { DYN_DISCOVERY_BACKEND: 'mem' })).toMatchObject({ backend: 'memory', isExplicit: true });
    expect(at({}, { DYN_DISCOVERY_BACKEND: 'etcd' }).etcd).toEqual({
      endpoints: ['http://localhost:2379'],
      leaseTtlMs: 10_000,
      hangMs: 30_000,
      callTimeoutMs: 2000,
      auth: null,
      tls: null,
    });
    expect(at({}, { ETCD_ENDPOINTS: 'http://a:1, b:2' })).toMatchObject({
      backend: 'etcd',
      etcd: { endpoints: ['http://a:1', 'http://b:2'] },
    });
    expect(at({ backend: 'memory' }, { ETCD_ENDPOINTS: 'http://a:1' }).backend).toBe('memory');
  });

  it('take options before variables, and read certificates from files or as they are', () => {
    const directory = mkdtempSync(join(tmpdir(), 'ih-'));
    const ca = join(directory, 'ca.pem');
    writeFileSync(ca, '-----BEGIN CERTIFICATE-----\n');
    const environment = {
      ETCD_ENDPOINTS: 'https://a',
      ETCD_LEASE_TTL: '60',
      ETCD_AUTH_USERNAME: 'u',
      ETCD_AUTH_PASSWORD: 'p',
      ETCD_AUTH_CA: ca,
      ETCD_AUTH_CLIENT_CERT: '-----BEGIN CERTIFICATE-----\nc',
      ETCD_AUTH_CLIENT_KEY: '-----BEGIN PRIVATE KEY-----\nk',
      DYN_NAMESPACE: 'a.b',
    };
    expect(at({ component: 'decode', etcd: { leaseTtlMs: 5000 } }, environment)).toMatchObject({
      name: { namespace: 'a.b', component: 'decode' },
      etcd: {
        endpoints: ['https://a:443'],
        leaseTtlMs: 5000,
        auth: { username: 'u', password: 'p' },
        tls: {
          ca: '-----BEGIN CERTIFICATE-----\n',
          cert: expect.stringMatching(/c$/),
          key: expect.stringMatching(/k$/),
        },
      },
    });
    rmSync(directory, { recursive: true });
  });

  it.each([
    [
      { backend: 'zookeeper' },
      {},
      "discovery.backend: expected 'memory' or 'mem' or 'etcd', received \"zookeeper\"",
    ],
    [
      {},
      { DYN_DISCOVERY_BACKEND: 'file' },
      "DYN_DISCOVERY_BACKEND: expected 'memory', 'mem' or 'etcd', received \"file\"",
    ],
    [{ namespce: 'x' }, {}, "unknown option discovery 'namespce' (did you mean namespace?)"],
    [{ etcd: { endpoint: [] } }, {}, "unknown option discovery.etcd 'endpoint' (did you mean endpoints?)"],
    [
      {},
      { DYN_NAMESPACE: 'a/b' },
      'DYN_NAMESPACE: expected letters, digits, - and _, with dots between, received "a/b"',
    ],
    [{ component: 'a.b' }, {}, 'discovery.component: expected letters'],
    [{}, { ETCD_ENDPOINTS: 'http://a,https://b' }, 'ETCD_ENDPOINTS: expected URLs as http://host:port'],
    [{}, { ETCD_ENDPOINTS: 'http://u:p@a' }, 'received "a URL with a user name"'],
    [{}, { ETCD_LEASE_TTL: '0' }, 'ETCD_LEASE_TTL: expected an integer from 1 to 86400'],
    [{}, { ETCD_AUTH_USERNAME: 'u' }, 'ETCD_AUTH_PASSWORD: expected the password of u'],
    [{}, { ETCD_AUTH_PASSWORD: 'p' }, 'ETCD_AUTH_USERNAME: expected'],
    [{}, { ETCD_AUTH_CA: '/no/such/file' }, 'ETCD_AUTH_CA: expected PEM or the path of a PEM file (ENOENT'],
    [{ etcd: { cert: '-----BEGIN' } }, {}, 'ETCD_AUTH_CLIENT_KEY: expected certificate and key together'],
    [{ etcd: { ca: '-----BEGIN' } }, {}, 'ETCD_ENDPOINTS: expected https:// beside certificates'],
  ])('%j %j is refused', (options, environment, message) => {
    expect(() => at(options as DiscoveryOptions, environment)).toThrow(message);
  });
});

describe('the address that a worker registers', () => {
  const etcd = { backend: 'etcd', advertise: null } as const;
  it.each([
    ['http://127.0.0.1:8000', etcd, /^http:\/\/127\.0\.0\.1:8000$/],
    ['http://0.0.0.0:8000', { ...etcd, backend: 'memory' } as const, /^http:\/\/127\.0\.0\.1:8000$/],
    ['http://[::]:8000', etcd, /^http:\/\/\d+\.\d+\.\d+\.\d+:8000$/],
    ['http://0.0.0.0:8000', { ...etcd, advertise: 'pod-1.svc' }, /^http:\/\/pod-1\.svc:8000$/],
    ['https://0.0.0.0:8000', { ...etcd, advertise: 'pod-1:9000' }, /^https:\/\/pod-1:9000$/],
    ['http://0.0.0.0:8000', { ...etcd, advertise: 'https://pod-1' }, /^https:\/\/pod-1$/],
  ])('%s with %j', (url, settings, expected) => {
    expect(advertisedUrl(url, settings)).toMatch(expected);
  });

  it.each(['http://a/path', 'ftp://a', '0.0.0.0', 'a b', 'u@a'])('%j is refused', (advertise) => {
    expect(() => advertisedUrl('http://0.0.0.0:1', { ...etcd, advertise })).toThrow(/^advertise: expected/);
  });
});
