import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { describe, expect, it } from 'vitest';
import type { Closable } from '../../lib/lifecycle/closable.js';
import { createShutdownHooks, type ShutdownHooks } from '../../lib/lifecycle/shutdown-hooks.js';

const FAR = Number.POSITIVE_INFINITY;
const now = (): number => performance.now();
const hooksWith = (timeoutMs = 1000): ShutdownHooks => createShutdownHooks(timeoutMs, now);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('clean-up hooks', () => {
  it('run one after the other in the order of their registration, those of the package last', async () => {
    const hooks = hooksWith();
    const seen: string[] = [];
    hooks.add('own', () => void seen.push('own'), {}, true);
    hooks.add('first', async () => {
      await pause(20);
      seen.push('first');
    });
    hooks.add('second', ({ reason }) => void seen.push(`second after ${reason}`));
    hooks.add('removed', () => void seen.push('removed')).remove();
    const outcomes = await hooks.run('SIGTERM', FAR);
    expect(seen).toEqual(['first', 'second after SIGTERM', 'own']);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['done', 'done', 'done']);
  });

  it('that throw, reject or hang keep none of the others from running', async () => {
    const hooks = hooksWith(50);
    const boom = new Error('boom');
    let isAborted = false;
    hooks.add('throws', () => {
      throw boom;
    });
    hooks.add('rejects', () => Promise.reject(boom));
    hooks.add('hangs', ({ signal }) => {
      signal.addEventListener('abort', () => {
        isAborted = true;
      });
      return new Promise(() => undefined);
    });
    hooks.add('works', () => undefined);
    const outcomes = await hooks.run('x', FAR);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['failed', 'failed', 'timeout', 'done']);
    expect(outcomes[0]?.error).toBe(boom);
    expect(isAborted).toBe(true);
  });

  it('end together at the given time, and earlier when they are hurried', async () => {
    const hooks = hooksWith(60_000);
    hooks.add('hangs', () => new Promise(() => undefined));
    hooks.add('too-late', () => undefined);
    expect(hooks.totalMs()).toBe(120_000);
    const running = hooks.run('x', now() + 60_000);
    await pause(20);
    hooks.hurry(now() + 20);
    expect((await running).map(({ outcome }) => outcome)).toEqual(['timeout', 'skipped']);
  });

  it('refuse a name twice, a bad time, an unknown option and what has no end', () => {
    const hooks = hooksWith();
    hooks.add('cache', () => undefined);
    expect(() => hooks.add('cache', () => undefined)).toThrow(/clean-up hook 'cache' exists already/);
    expect(() => hooks.add('a b', () => undefined)).toThrow(/expected a name/);
    expect(() => hooks.add('x', () => undefined, { timeoutMs: 0 })).toThrow(/timeoutMs/);
    expect(() => hooks.add('x', () => undefined, { timeout: 1 } as object)).toThrow(
      /unknown option 'timeout'/,
    );
    expect(() => hooks.add('x', {} as unknown as Closable)).toThrow(/a function, a child process, a server/);
  });
});

describe('a hook that is', () => {
  it('a child process ends it with SIGTERM, with SIGKILL when it does not listen, and does nothing when it has ended', async () => {
    const start = (script: string) => spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] });
    const polite = start('echo; exec sleep 60');
    const deaf = start("trap '' TERM; echo; while :; do sleep 0.1; done");
    const gone = start('exit 0');
    const ended = Promise.all([polite, deaf, gone].map((child) => once(child, 'exit')));
    await Promise.all([once(polite.stdout, 'data'), once(deaf.stdout, 'data'), once(gone, 'exit')]);
    const hooks = hooksWith(20_000);
    hooks.add('polite', polite);
    hooks.add('deaf', deaf, { timeoutMs: 200 });
    hooks.add('gone', gone);
    const outcomes = await hooks.run('x', FAR);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['done', 'timeout', 'done']);
    await ended;
    expect([polite.signalCode, deaf.signalCode, gone.exitCode]).toEqual(['SIGTERM', 'SIGKILL', 0]);
  });

  it('a server closes it, and something disposable is disposed of', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    let disposed = 0;
    const dispose = (): void => {
      disposed += 1;
    };
    const hooks = hooksWith();
    hooks.add('server', server);
    hooks.add('sync', { [Symbol.dispose]: dispose });
    hooks.add('async', { [Symbol.asyncDispose]: async () => dispose() });
    await hooks.run('x', FAR);
    expect(server.listening).toBe(false);
    expect(disposed).toBe(2);
  });
});
