import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { AdminOptions } from '../../lib/config/admin.js';
import type { Health } from '../../lib/index.js';
import { createAdminAccess } from '../../lib/probe/admin-access.js';
import { parseAdminCommand } from '../../lib/probe/admin-commands.js';
import { withChild } from '../helpers/child.js';
import { startHealth, until, withHealth } from '../helpers/package.js';

const TOKEN = 'a-token-of-some-length';

interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly document: {
    error?: string;
    phase?: string;
    ready?: boolean;
    active_requests?: number;
    main_thread?: { acknowledged: boolean; busy_ms: number };
    drain?: { phase: string; reason: string; exit: boolean; remaining_ms: number | null } | null;
  };
}

type Target = { readonly port: number } | { readonly socketPath: string };

function ask(
  target: Target,
  path: string,
  { method = 'POST', body = '', headers = {} as Record<string, string>, token = TOKEN as string | null } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const authorization = token === null ? {} : { authorization: `Bearer ${token}` };
    const options = { host: '127.0.0.1', ...target, path, method, headers: { ...authorization, ...headers } };
    request(options, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          document: JSON.parse(text || '{}') as Answer['document'],
        }),
      );
    })
      .on('error', reject)
      .end(body);
  });
}

function targetOf({ adminListener }: Health): Target {
  if (adminListener === null) throw new Error('there is no admin listener');
  return adminListener.kind === 'tcp' ? { port: adminListener.port } : { socketPath: adminListener.path };
}

const withAdmin = (
  admin: AdminOptions,
  use: (target: Target, health: Health, base: string) => Promise<void>,
): Promise<void> =>
  withHealth({ admin, startupGraceMs: 0 }, (health, base) => use(targetOf(health), health, base));

const readiness = async (base: string): Promise<number> => (await fetch(`${base}/readyz`)).status;

describe('the admin listener', () => {
  it('is not there unless asked for, and on no probe listener', async () => {
    await withHealth({}, async (health, base) => {
      expect(health.adminListener).toBe(null);
      for (const path of ['/drain', '/resume', '/status'])
        expect((await fetch(`${base}${path}`, { method: 'POST' })).status).toBe(404);
    });
  });

  it('drains, tells how far it is, and takes the drain back', async () => {
    await withAdmin({ port: 0, token: TOKEN }, async (target, health, base) => {
      await until(async () => (await readiness(base)) === 200);
      const held = health.requests.begin();
      const before = await ask(target, '/status');
      expect(before).toMatchObject({
        status: 200,
        document: { phase: 'serving', ready: true, active_requests: 1, drain: null },
      });
      const drained = await ask(target, '/drain', { body: '{"deadline_ms":60000}' });
      expect(drained.status).toBe(200);
      expect(drained.document).toMatchObject({
        phase: 'draining',
        ready: false,
        main_thread: { acknowledged: true },
      });
      expect(drained.document.drain).toMatchObject({ reason: 'admin', exit: false });
      expect(await readiness(base)).toBe(503);
      await expect(until(() => health.admit().then(() => false))).rejects.toMatchObject({
        code: 'ERR_DRAINING',
      });
      const status = await until(async () => {
        const { document } = await ask(target, '/status');
        return document.drain?.phase === 'draining' && document;
      });
      expect(status.drain?.remaining_ms).toBeLessThanOrEqual(60_000);
      expect((await ask(target, '/resume')).document).toMatchObject({ drain: null });
      await until(async () => (await readiness(base)) === 200);
      held.end();
      (await health.admit()).release();
    });
  });

  it('asks for the token, whatever is wanted, and tells nothing without it', async () => {
    await withAdmin({ port: 0, token: TOKEN }, async (target, _health, base) => {
      await until(async () => (await readiness(base)) === 200);
      for (const token of [null, 'wrong', `${TOKEN}x`, TOKEN.slice(1)]) {
        const answer = await ask(target, '/drain', { token });
        expect(answer.status).toBe(401);
        expect(answer.headers['www-authenticate']).toBe('Bearer');
      }
      expect((await ask(target, '/nothing', { token: null })).status).toBe(401);
      expect(await readiness(base)).toBe(200);
    });
  });

  it('refuses browsers: other host names, an Origin, and every method but POST', async () => {
    await withAdmin({ port: 0, token: TOKEN }, async (target, _health, base) => {
      await until(async () => (await readiness(base)) === 200);
      for (const host of ['evil.example', 'evil.example:80', '127.0.0.1.evil.example', '10.0.0.1'])
        expect((await ask(target, '/drain', { headers: { host } })).status).toBe(403);
      for (const host of ['localhost', 'localhost:1', '127.0.0.1', '[::1]:80'])
        expect((await ask(target, '/status', { headers: { host } })).status).toBe(200);
      expect((await ask(target, '/drain', { headers: { origin: 'http://localhost' } })).status).toBe(403);
      for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS']) {
        const answer = await ask(target, '/drain', { method });
        expect(answer.status).toBe(405);
        expect(answer.headers.allow).toBe('POST');
        expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
      }
      expect(await readiness(base)).toBe(200);
    });
  });

  it('says what is wrong with a body', async () => {
    await withAdmin({ port: 0, token: TOKEN }, async (target) => {
      expect((await ask(target, '/drain', { body: '{' })).document.error).toBe('the body is not JSON');
      expect((await ask(target, '/drain', { body: 'x'.repeat(5000) })).status).toBe(413);
      expect((await ask(target, '/nothing')).status).toBe(404);
    });
    expect(parseAdminCommand('/drain', '')).toEqual({ type: 'drain', deadlineMs: null, exits: false });
    expect(parseAdminCommand('/drain', '{"exit":true,"deadline_ms":5}')).toMatchObject({
      exits: true,
      deadlineMs: 5,
    });
    expect(parseAdminCommand('/drain', '{"deadline":5}')).toMatch(/unknown key; known: deadline_ms, exit/);
    expect(parseAdminCommand('/drain', '{"deadline_ms":-1}')).toMatch(/^deadline_ms: expected/);
    expect(parseAdminCommand('/drain', '{"exit":1}')).toMatch(/^exit: expected/);
    expect(parseAdminCommand('/resume', '{"x":1}')).toMatch(/known: none/);
    expect(parseAdminCommand('/status', '[]')).toMatch(/expected a JSON object/);
  });

  it('on a unix socket, with the token from a file, is for its owner, and gone with close()', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'inference-health-'));
    const path = join(folder, 'admin.sock');
    const tokenFile = join(folder, 'token');
    writeFileSync(tokenFile, `${TOKEN}\n`);
    await withAdmin({ path, tokenFile }, async (target) => {
      expect(statSync(path).mode & 0o777).toBe(0o600);
      expect((await ask(target, '/status', { headers: { host: 'anything' } })).status).toBe(200);
      expect((await ask(target, '/status', { token: 'wrong' })).status).toBe(401);
    });
    expect(() => statSync(path)).toThrow();
    rmSync(folder, { recursive: true });
  });

  it('that cannot listen fails the start by name', async () => {
    await withAdmin({ port: 0, token: TOKEN }, async (target) => {
      const port = 'port' in target ? target.port : 0;
      const source = `await startHealth({ port: 0, host: '127.0.0.1', admin: { port: ${port}, token: '${TOKEN}' } });`;
      await withChild(source, async (child) =>
        expect(await child.message()).toMatchObject({ code: 'ERR_PORT_IN_USE' }),
      );
    });
    await expect(startHealth({ admin: { port: 0, host: '0.0.0.0', token: TOKEN } })).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
    });
  });

  it('withdraws readiness while the main thread is blocked, and says that the rest waits for it', async () => {
    const source = `
      const health = await startHealth({ port: 0, host: '127.0.0.1', startupGraceMs: 0, loopUnreadyMs: 60000,
        admin: { port: 0, token: '${TOKEN}' } });
      health.onShutdown('tell', ({ reason }) => say({ reason }));
      setInterval(() => {}, 1000);
      say({ probe: health.listeners[0].port, port: health.adminListener.port });
      process.stdin.once('data', () => { say('blocking'); blockUntilTold(); });
    `;
    await withChild(source, async (child) => {
      const { probe, port } = await child.message<{ probe: number; port: number }>();
      const base = `http://127.0.0.1:${probe}`;
      await until(async () => (await readiness(base)) === 200);
      child.process.stdin?.write('x');
      await child.message();
      const answering = ask({ port }, '/drain', { body: '{"exit":true}' });
      await until(async () => (await readiness(base)) === 503);
      const { status, document } = await answering;
      expect(status).toBe(202);
      expect(document).toMatchObject({
        phase: 'draining',
        main_thread: { acknowledged: false },
        drain: null,
      });
      expect(document.main_thread?.busy_ms).toBeGreaterThan(500);
      child.process.stdin?.write('x');
      expect(await child.message()).toEqual({ reason: 'admin' });
      expect(await child.exit()).toBe(0);
    });
  });
});

it('access wants one bearer token, in any case of the scheme', () => {
  const access = createAdminAccess(TOKEN, false);
  expect(access({ authorization: `bearer ${TOKEN}` })).toBe('granted');
  for (const authorization of [TOKEN, `Basic ${TOKEN}`, `Bearer ${TOKEN} x`, 'Bearer ', ''])
    expect(access({ authorization })).toBe('wrong-token');
});
