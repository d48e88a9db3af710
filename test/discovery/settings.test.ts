import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { advertisedUrl } from '../../lib/discovery/advertise.js';
import type { DiscoveryOptions } from '../../lib/discovery/options.js';
import { discoverySettings } from '../../lib/discovery/settings.js';
import { createTrouble } from '../../lib/discovery/trouble.js';

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
    // Etcd's port, not that of the web.
    expect(
      at({}, { ETCD_ENDPOINTS: 'foo,http://10.0.0.1/, HTTP://Etcd-0.etcd.svc:80,[::1]' }).etcd.endpoints,
    ).toEqual(['http://foo:2379', 'http://10.0.0.1:2379', 'http://etcd-0.etcd.svc:80', 'http://[::1]:2379']);
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
        endpoints: ['https://a:2379'],
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
    [
      {},
      { ETCD_ENDPOINTS: 'http://a,https://b' },
      'ETCD_ENDPOINTS: expected all members with http:// or all with',
    ],
    [
      {},
      { ETCD_ENDPOINTS: 'http://u:p@a' },
      'ETCD_ENDPOINTS: expected no user or password in the address, but ETCD_AUTH_USERNAME and ETCD_AUTH_PASSWORD, received "http://…@a"',
    ],
    [{}, { ETCD_ENDPOINTS: 'a,u:p@b' }, 'received "…@b"'],
    [
      { etcd: { endpoints: ['ftp://a'] } },
      {},
      'discovery.etcd.endpoints: expected servers as http://host:port or https://host:port, received "ftp://a"',
    ],
    [{ etcd: { endpoints: [] } }, {}, 'expected at least one server as http://host:port'],
    [{}, { ETCD_ENDPOINTS: ',' }, 'expected at least one server as http://host:port'],
    [{}, { ETCD_ENDPOINTS: 'http://a/v3' }, 'expected servers as http://host:port'],
    [{}, { ETCD_ENDPOINTS: 'a:0' }, 'expected a port from 1 to 65535, received "a:0"'],
    [{}, { ETCD_ENDPOINTS: 'a:65536' }, 'expected a port from 1 to 65535'],
    [{}, { ETCD_ENDPOINTS: 'a:etcd' }, 'expected a port from 1 to 65535'],
    [{}, { ETCD_ENDPOINTS: 'http://' }, 'expected a host name'],
    [{}, { ETCD_ENDPOINTS: '2379' }, 'expected a host name'],
    [{}, { ETCD_ENDPOINTS: '10.0.1' }, 'expected a host name'],
    [{}, { ETCD_ENDPOINTS: 'a b' }, 'expected a host name'],
    [{}, { ETCD_ENDPOINTS: '::1' }, 'an IPv6 address in brackets'],
    [
      {},
      { ETCD_ENDPOINTS: 'a,b,http://A:2379' },
      'ETCD_ENDPOINTS: expected each server once, received "a:2379"',
    ],
    [{}, { ETCD_LEASE_TTL: '0' }, 'ETCD_LEASE_TTL: expected an integer from 1 to 86400'],
    [{}, { ETCD_AUTH_USERNAME: 'u' }, 'ETCD_AUTH_PASSWORD: expected the password of u'],
    [{}, { ETCD_AUTH_PASSWORD: 'p' }, 'ETCD_AUTH_USERNAME: expected'],
    [{}, { ETCD_AUTH_CA: '/no/such/file' }, 'ETCD_AUTH_CA: expected PEM or the path of a PEM file (ENOENT'],
    [{ etcd: { cert: '-----BEGIN' } }, {}, 'ETCD_AUTH_CLIENT_KEY: expected certificate and key together'],
    [{ etcd: { ca: '-----BEGIN' } }, {}, 'ETCD_ENDPOINTS: expected https:// beside certificates'],
    [
      { etcd: { ca: '-----BEGIN', endpoints: ['a'] } },
      {},
      'discovery.etcd.endpoints: expected https:// beside',
    ],
  ])('%j %j is refused', (options, environment, message) => {
    expect(() => at(options as DiscoveryOptions, environment)).toThrow(message);
  });
});

it('trouble is said when it begins, when it is another one, and once a minute', () => {
  let now = 0;
  const trouble = createTrouble(() => now);
  expect(trouble.end()).toBe(false);
  expect([trouble.isToBeSaid('a'), trouble.isToBeSaid('a'), trouble.isToBeSaid('b')]).toEqual([
    true,
    false,
    true,
  ]);
  now = 59_999;
  expect(trouble.isToBeSaid('b')).toBe(false);
  now = 60_000;
  expect([trouble.isToBeSaid('b'), trouble.isToBeSaid('b')]).toEqual([true, false]);
  expect([trouble.end(), trouble.end(), trouble.isToBeSaid('b')]).toEqual([true, false, true]);
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
