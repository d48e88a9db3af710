import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { natsSettings } from '../../lib/events/settings.js';
import { beaconSubject, beaconSubjects, isOf } from '../../lib/events/subjects.js';
import type { NatsOptions } from '../../lib/index.js';
import { ROOT } from '../helpers/package.js';

const SEED = `SU${'A'.repeat(56)}`;

describe('the settings of NATS', () => {
  it('are none where nothing names a server, or false is given', () => {
    expect(natsSettings(undefined, {})).toBeNull();
    expect(natsSettings({ user: 'a', password: 'b' }, {})).toBeNull();
    expect(natsSettings(false, { NATS_SERVER: 'nats://a' })).toBeNull();
    expect(natsSettings(undefined, { NATS_SERVER: '  ' })).toBeNull();
  });

  it('come from Dynamo’s variables, options before them', () => {
    const environment = {
      NATS_SERVER: 'nats://one:4223, two,tls://[::1]:9',
      NATS_AUTH_USERNAME: 'me',
      NATS_AUTH_PASSWORD: 'p',
      NATS_AUTH_TOKEN: 't',
      NATS_TLS_INSECURE: 'true',
      DYN_NAMESPACE: 'prod.eu',
    };
    expect(natsSettings(undefined, environment)).toEqual({
      servers: ['nats://one:4223', 'nats://two:4222', 'tls://[::1]:9'],
      auth: { kind: 'user', user: 'me', password: 'p' },
      tlsCa: null,
      tlsInsecure: true,
      namespace: 'prod.eu',
      component: null,
    });
    const given = { servers: 'nats://three', component: 'decode', namespace: 'x', tlsInsecure: false };
    expect(natsSettings(given, environment)).toMatchObject({ ...given, servers: ['nats://three:4222'] });
  });

  it('take the first way to be known that there is, as Dynamo does', () => {
    const kind = (environment: Record<string, string>): string | undefined =>
      natsSettings(undefined, { NATS_SERVER: 'a', ...environment })?.auth.kind;
    expect(kind({})).toBe('none');
    expect(kind({ NATS_AUTH_CREDENTIALS_FILE: '/x' })).toBe('credentials');
    expect(kind({ NATS_AUTH_CREDENTIALS_FILE: '/x', NATS_AUTH_NKEY: SEED })).toBe('nkey');
    expect(kind({ NATS_AUTH_NKEY: SEED, NATS_AUTH_TOKEN: 't' })).toBe('token');
  });

  it.each<[string, NatsOptions, Record<string, string>, RegExp]>([
    ['another scheme', {}, { NATS_SERVER: 'http://a' }, /NATS_SERVER: expected servers as nats:/],
    ['no host', {}, { NATS_SERVER: 'nats://' }, /NATS_SERVER/],
    [
      'WebSocket, which the client has not',
      {},
      { NATS_SERVER: 'wss://a' },
      /as nats:.* or tls:.*received "wss:/,
    ],
    ['a password in the address', { servers: 'nats://me:hunter2@a' }, {}, /events.servers.*nats:\/\/…@a/],
    ['one without a scheme', { servers: 'me:hunter2@a' }, {}, /events.servers.*"…@a"/],
    ['a password with a slash', { servers: 'nats://me:x/hunter2@a' }, {}, /events.servers.*nats:\/\/…@a/],
    ['a path', {}, { NATS_SERVER: 'nats://a/b' }, /NATS_SERVER: expected servers as/],
    ['no port', {}, { NATS_SERVER: 'a:' }, /NATS_SERVER: expected a port from 1 to 65535, received "a:"/],
    ['too great a port', {}, { NATS_SERVER: 'a:70000' }, /a port from 1 to 65535/],
    ['half an address', {}, { NATS_SERVER: '4222' }, /a host name, an IPv4 address/],
    ['a server twice', {}, { NATS_SERVER: 'a,nats://A:4222' }, /each server once, received "a:4222"/],
    [
      'a number',
      { servers: 7 as unknown as string },
      {},
      /events.servers: expected a text or an array of texts/,
    ],
    ['an empty list', { servers: [] }, {}, /at least one server/],
    ['a user alone', { servers: 'a', user: 'me' }, {}, /a user alone/],
    ['no seed', { servers: 'a', nkey: 'hunter2' }, {}, /the seed of a user/],
    ['no file', { servers: 'a', tlsCa: '/nowhere' }, {}, /tlsCa: expected a readable file/],
    [
      'another key',
      { servers: 'a', pass: 'hunter2' } as NatsOptions,
      {},
      /unknown option events 'pass'; known: servers/,
    ],
    ['a wildcard', { servers: 'a', namespace: 'a.*' }, {}, /namespace: expected letters/],
    ['no text', { servers: 'a', token: 7 as unknown as string }, {}, /events.token: expected a text/],
  ])('refuse %s, and show no secret', (_what, options, environment, message) => {
    const attempt = (): unknown => natsSettings(options, environment);
    expect(attempt).toThrow(message);
    expect(attempt).not.toThrow('hunter2');
  });

  it('ask for the client by the command that installs it', () => {
    const script = `
      const Module = require('node:module');
      const resolve = Module._resolveFilename;
      Module._resolveFilename = (name, ...rest) => {
        if (name.startsWith('@nats-io/')) throw Object.assign(new Error('not found'), { code: 'MODULE_NOT_FOUND' });
        return resolve(name, ...rest);
      };
      const { startFrontend } = require(${JSON.stringify(join(ROOT, 'dist/cjs/index.js'))});
      startFrontend({ port: 0, workers: ['http://127.0.0.1:1'] }).catch((error) => console.log(error.code, error.message));`;
    const env = { ...process.env, NATS_SERVER: 'nats://127.0.0.1:1' };
    const text = execFileSync(process.execPath, ['-e', script], { env, encoding: 'utf8' });
    expect(text).toMatch(/^ERR_CONFIG_INVALID NATS .* npm install @nats-io\/transport-node@3\.3$/m);
  });
});

describe('subjects', () => {
  it('hold any name in one part', () => {
    const names = ['10.0.0.7:8000', 'a b', '*', '>', 'ä\n', "x'!()~"];
    for (const name of names) {
      const subject = beaconSubject('prod.eu', 'backend', name);
      expect(subject.split('.')).toHaveLength(6);
      expect(subject).toMatch(/^[\w.%-]+$/);
      expect(isOf(subject, name)).toBe(true);
      for (const other of names) expect(isOf(subject, other)).toBe(other === name);
    }
    expect(beaconSubjects('dynamo', null)).toBe('inference-health.v1.dynamo.*.beacon.*');
  });
});
