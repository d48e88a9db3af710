import { describe, expect, it } from 'vitest';
import { type Child, withChild } from '../helpers/child.js';
import { sleep, until } from '../helpers/package.js';

const LOOPBACK = "port: 0, host: '127.0.0.1', startupGraceMs: 0";
const status = async (url: string): Promise<number> => (await fetch(url)).status;

const base = async (child: Child): Promise<string> => {
  const { port } = await child.message<{ port: number }>();
  const url = `http://127.0.0.1:${port}`;
  await until(async () => (await status(`${url}/readyz`)) === 200);
  return url;
};

describe('a signal while the main thread is blocked', () => {
  it('turns readiness 503 on the next probe, keeps liveness, and is acted on when the thread turns', async () => {
    const source = `
      const health = await startHealth({ ${LOOPBACK}, liveStallMs: 60000, loopUnreadyMs: 60000, shutdown: true });
      setInterval(() => {}, 1000);
      say(health.listeners[0]);
      process.stdin.once('data', () => { say('blocking'); blockUntilTold(); });
    `;
    await withChild(source, async (child) => {
      const url = await base(child);
      child.process.stdin?.write('x');
      expect(await child.message()).toBe('blocking');
      expect(await status(`${url}/readyz`)).toBe(200);
      child.process.kill('SIGTERM');
      await until(async () => (await status(`${url}/readyz`)) === 503);
      const text = await (await fetch(`${url}/readyz?verbose`)).text();
      expect(text).toContain('drain.active');
      expect(await status(`${url}/livez`)).toBe(200);
      expect(await status(`${url}/health/live`)).toBe(200);
      expect(child.process.exitCode).toBe(null);
      child.process.stdin?.write('x');
      expect(await child.exit()).toBe(0);
    });
  });

  it('exits on the third, though nobody can act on it', async () => {
    const source = `
      const health = await startHealth({ ${LOOPBACK}, shutdown: true });
      say(health.listeners[0]);
      process.stdin.once('data', () => { say('blocking'); block(20000); });
    `;
    await withChild(source, async (child) => {
      await base(child);
      child.process.stdin?.write('x');
      await child.message();
      // Nobody tells when one has arrived: two that wait for a processor together are one.
      for (let i = 0; i < 3; i += 1) {
        child.process.kill('SIGTERM');
        await sleep(1000);
      }
      expect(await child.exit()).toBe(75);
    });
  });
});

describe('the second signal', () => {
  const server = `
    const health = await startHealth({ ${LOOPBACK}, shutdown: true });
    health.requests.begin();
    health.on('drain', () => say('drain'));
    health.on('terminate', (termination) => say(termination));
    health.onShutdown('hangs', () => { say('hook'); return new Promise(() => {}); });
    setInterval(() => {}, 1000);
    say(health.listeners[0]);
  `;

  it('ends what is in flight and hurries the hooks; the process exits with 75', async () => {
    await withChild(server, async (child) => {
      await base(child);
      child.process.kill('SIGTERM');
      expect(await child.message()).toBe('drain');
      await sleep(300);
      child.process.kill('SIGTERM');
      expect(await child.message()).toEqual({ active: 1, reason: 'SIGTERM' });
      expect(await child.message()).toBe('hook');
      expect(await child.exit()).toBe(75);
    });
  });

  it('is followed by a third that exits at once', async () => {
    await withChild(server, async (child) => {
      await base(child);
      for (const told of ['drain', { active: 1, reason: 'SIGINT' }]) {
        child.process.kill('SIGINT');
        expect(await child.message()).toEqual(told);
        await sleep(300);
      }
      child.process.kill('SIGINT');
      expect(await child.exit()).toBe(75);
    });
  });
});

describe('the native handler', () => {
  it('goes with close(), and comes back with the next start, as often as you like', async () => {
    const source = `
      for (let i = 0; i < 5; i += 1) {
        const health = await startHealth({ ${LOOPBACK}, shutdown: true });
        await health.close();
        if (process.listenerCount('SIGTERM') !== 0) throw new Error('a listener is left');
      }
      let seen = 0;
      process.on('SIGTERM', () => { seen += 1; });
      const health = await startHealth({ ${LOOPBACK}, shutdown: { gracePeriodMs: 5000 } });
      health.onShutdown('tell', () => say({ seen }));
      setInterval(() => {}, 1000);
      say(health.listeners[0]);
    `;
    await withChild(source, async (child) => {
      await base(child);
      child.process.kill('SIGTERM');
      expect(await child.message()).toEqual({ seen: 1 });
      expect(await child.exit()).toBe(0);
    });
  });

  it('leaves the default action alone after close()', async () => {
    const source = `
      const health = await startHealth({ ${LOOPBACK}, shutdown: true });
      await health.close();
      setInterval(() => {}, 1000);
      say('closed');
    `;
    await withChild(source, async (child) => {
      await child.message();
      child.process.kill('SIGTERM');
      expect(await child.exit()).toBe('SIGTERM');
    });
  });

  it('survives listeners that come and go', async () => {
    const source = `
      const health = await startHealth({ ${LOOPBACK}, loopUnreadyMs: 60000, shutdown: true });
      setInterval(() => {}, 1000);
      // libuv gives the signal back when its last listener goes.
      const listeners = process.listeners('SIGTERM');
      process.removeAllListeners('SIGTERM');
      for (const listener of listeners) process.on('SIGTERM', listener);
      // It is taken again by a timer of this loop, which comes before this one.
      await new Promise((resolve) => setTimeout(resolve, 1500));
      say(health.listeners[0]);
      process.stdin.once('data', () => { say('blocking'); blockUntilTold(); });
    `;
    await withChild(source, async (child) => {
      const url = await base(child);
      child.process.stdin?.write('x');
      expect(await child.message()).toBe('blocking');
      child.process.kill('SIGTERM');
      await until(async () => (await status(`${url}/readyz`)) === 503);
      expect(child.process.exitCode).toBe(null);
      child.process.stdin?.write('x');
      expect(await child.exit()).toBe(0);
    });
  });
});

it('a drain that is taken back serves again, and the signal after it drains again', async () => {
  const source = `
    const health = await startHealth({ ${LOOPBACK}, shutdown: { lameDuckMs: 60000 } });
    setInterval(() => {}, 1000);
    say(health.listeners[0]);
    process.stdin.on('data', () => { health.resume(); say(health.status().phase); });
  `;
  await withChild(source, async (child) => {
    const url = await base(child);
    child.process.kill('SIGTERM');
    await until(async () => (await status(`${url}/readyz`)) === 503);
    child.process.stdin?.write('x');
    expect(await child.message()).toBe('serving');
    await until(async () => (await status(`${url}/readyz`)) === 200);
    child.process.kill('SIGTERM');
    await until(async () => (await status(`${url}/readyz`)) === 503);
    child.process.kill('SIGKILL');
  });
});

it('an engine process that is watched ends with the process', async () => {
  const source = `
    const health = await startHealth({ ${LOOPBACK}, shutdown: true });
    const child = require('node:child_process').spawn('sleep', ['60']);
    health.engine.watch({ child });
    setInterval(() => {}, 1000);
    say(health.listeners[0]);
    say(child.pid);
    health.on('engineFailure', () => say('engine failure'));
  `;
  await withChild(source, async (child) => {
    const { port } = await child.message<{ port: number }>();
    const pid = await child.message<number>();
    await until(async () => (await fetch(`http://127.0.0.1:${port}/livez`)).status === 200);
    expect(process.kill(pid, 0)).toBe(true);
    child.process.kill('SIGTERM');
    expect(await child.exit()).toBe(0);
    await until(() => {
      try {
        return !process.kill(pid, 0);
      } catch {
        return true;
      }
    });
  });
});
