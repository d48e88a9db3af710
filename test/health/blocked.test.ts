import { describe, expect, it } from 'vitest';
import { withChild } from '../helpers/child.js';
import { until } from '../helpers/package.js';

const ENGINES = ['uws', 'http'] as const;

describe.each(ENGINES)('with a blocked main thread, %s', (httpEngine) => {
  it('listens and answers although the statement after startHealth blocks, and libuv’s pool is busy', async () => {
    const source = `
      const { pbkdf2 } = require('node:crypto');
      for (let i = 0; i < 8; i += 1) pbkdf2('a', 'b', 3e6, 64, 'sha512', () => {});
      const { createServer } = require('node:net');
      const port = await new Promise((resolve) => { const s = createServer().listen(0, '127.0.0.1', () => { const { port } = s.address(); s.close(() => resolve(port)); }); });
      say({ port });
      const started = startHealth({ port, host: '127.0.0.1', httpEngine: '${httpEngine}' });
      blockUntilTold();
      say({ unblocked: true });
      await started;
      process.exit(0);
    `;
    await withChild(source, async (child) => {
      const { port } = await child.message<{ port: number }>();
      let unblocked = false;
      const done = child.message().then(() => {
        unblocked = true;
      });
      const answer = await until(() => fetch(`http://127.0.0.1:${port}/livez`).catch(() => null));
      expect(answer.status).toBe(200);
      expect((await fetch(`http://127.0.0.1:${port}/startupz`)).status).toBe(503);
      expect(unblocked).toBe(false);
      child.process.stdin?.write('x');
      await done;
    });
  });

  it('goes on answering, reports the block, and is not live after liveStallMs; both end with the block', async () => {
    const source = `
      const health = await startHealth({ port: 0, host: '127.0.0.1', httpEngine: '${httpEngine}', startupGraceMs: 0, loopUnreadyMs: 500, liveStallMs: 3000, stallStackAfterMs: 0 });
      say(health.listeners[0]);
      process.stdin.once('data', blockUntilTold);
      setTimeout(() => {}, 60_000);
    `;
    await withChild(source, async (child) => {
      const { port } = await child.message<{ port: number }>();
      const base = `http://127.0.0.1:${port}`;
      const status = async (path: string) => (await fetch(base + path)).status;
      await until(async () => (await status('/health/ready')) === 200);
      child.process.stdin?.write('x');
      await until(async () => (await status('/health/ready')) === 503);
      expect(await status('/health/live')).toBe(200);
      const document = (await (await fetch(`${base}/health`)).json()) as {
        event_loop: { blocked: boolean; busy_ms: number };
        reasons: { code: string }[];
      };
      expect(document.event_loop.blocked).toBe(true);
      expect(document.event_loop.busy_ms).toBeGreaterThanOrEqual(500);
      expect(document.reasons.map(({ code }) => code)).toContain('event_loop.blocked');
      await until(async () => (await status('/health/live')) === 503);
      expect(await status('/livez')).toBe(503);
      expect(await (await fetch(`${base}/livez?verbose`)).text()).toContain('event_loop.stalled');
      child.process.stdin?.write('x');
      await until(async () => (await status('/health/ready')) === 200);
      expect(await status('/health/live')).toBe(200);
    });
  });

  it('shows where the main thread was stuck', async () => {
    // As console prints it: an object that is nested deeper than two levels is not there.
    const source = `
      const silent = () => {};
      const warn = (fields) => fields.stall && say({ logged: require('node:util').inspect(fields) });
      const logger = { debug: silent, info: silent, warn, error: silent };
      const health = await startHealth({ logger, port: 0, host: '127.0.0.1', httpEngine: '${httpEngine}', stallStackAfterMs: 300 });
      health.on('stall', (stall) => say({ kind: stall.kind, top: stall.frames.map((frame) => frame.functionName) }));
      say(health.listeners[0]);
      setTimeout(function tokenize() { block(2500); }, 300);
      setTimeout(() => {}, 60_000);
    `;
    await withChild(source, async (child) => {
      const { port } = await child.message<{ port: number }>();
      const stall = await until(async () => {
        const answer = await fetch(`http://127.0.0.1:${port}/health`);
        return ((await answer.json()) as { event_loop: { last_stall?: { stack: string[] } } }).event_loop
          .last_stall;
      });
      expect(stall.stack.join('\n')).toContain('tokenize');
      const told = [await child.message<Told>(), await child.message<Told>()];
      expect(told).toContainEqual({ kind: 'javascript', top: expect.arrayContaining(['tokenize']) });
      expect(told.find(({ logged }) => logged !== undefined)?.logged).toContain('tokenize (');
    });
  });
});

interface Told {
  readonly kind?: string;
  readonly top?: string[];
  readonly logged?: string;
}

describe('on the JavaScript fallback', () => {
  it('a blocked main thread is seen by the missing heartbeat', async () => {
    const source = `
      const health = await startHealth({ port: 0, host: '127.0.0.1', native: 'off', loopUnreadyMs: 500 });
      say({ ...health.listeners[0], native: health.native });
      process.stdin.once('data', blockUntilTold);
      setTimeout(() => {}, 60_000);
    `;
    await withChild(source, async (child) => {
      const { port, native } = await child.message<{ port: number; native: boolean }>();
      expect(native).toBe(false);
      const status = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).status;
      await until(async () => (await status('/readyz')) === 200);
      child.process.stdin?.write('x');
      await until(async () => (await status('/readyz')) === 503);
      expect(await (await fetch(`http://127.0.0.1:${port}/readyz?verbose`)).text()).toContain(
        'event_loop.blocked',
      );
      child.process.stdin?.write('x');
      await until(async () => (await status('/readyz')) === 200);
    });
  });
});
