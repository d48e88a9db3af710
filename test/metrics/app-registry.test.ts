import { setTimeout as sleep } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import type { AppMetricsMessage } from '../../lib/metrics/app-messages.js';
import { type AppMetrics, type AppMetricsOptions, createAppMetrics } from '../../lib/metrics/app-registry.js';
import { createAppStore } from '../../lib/metrics/app-store.js';
import { NO_ERRORS } from './fixtures.js';

const cleanUps: (() => void)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
});

/** The main thread's half with a bare port in the place of the agent thread. */
function connected(options: AppMetricsOptions) {
  const app: AppMetrics = createAppMetrics(options);
  const { port1, port2 } = new MessageChannel();
  const received: AppMetricsMessage[] = [];
  port1.on('message', (message: AppMetricsMessage) => received.push(message));
  app.attach(port2);
  cleanUps.push(() => {
    app.close();
    port1.close();
  });
  return { app, received, scrape: () => port1.postMessage({ kind: 'scraped' }) };
}

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += 5) {
    if (waited > 10_000) throw new Error('it did not happen within 10 s');
    await sleep(5);
  }
}

describe('refreshing on the main thread', () => {
  test('sends a first text when an agent thread attaches, and no more while nobody scrapes', async () => {
    const { received } = connected({ registry: { metrics: () => 'a 1\n' }, refreshMs: 10 });
    await until(() => received.length > 0);
    await sleep(60);
    expect(received).toHaveLength(1);
    expect(received[0]).toMatchObject({ kind: 'text', text: 'a 1\n' });
  });

  test('goes on refreshing after a scrape, and stops when scrapes stop', async () => {
    let calls = 0;
    const registry = { metrics: async () => `a ${++calls}\n` };
    const { received, scrape } = connected({ registry, refreshMs: 10, activeMs: 100 });
    await until(() => {
      scrape();
      return received.length >= 4;
    });
    await sleep(300);
    const stopped = calls;
    await sleep(100);
    expect(calls).toBe(stopped);
    scrape();
    await until(() => calls > stopped);
  });

  test('never asks a registry that has not answered yet', async () => {
    let calls = 0;
    const registry = {
      metrics: () => {
        calls += 1;
        return new Promise<string>(() => undefined);
      },
    };
    const { scrape } = connected({ registry, refreshMs: 5 });
    scrape();
    await sleep(100);
    expect(calls).toBe(1);
  });

  test('a registry that throws, rejects or returns no text is an error each time and is asked again', async () => {
    const answers: (() => unknown)[] = [
      () => {
        throw new Error('sync');
      },
      () => Promise.reject(new Error('async')),
      () => 5,
      () => undefined,
    ];
    const registry = { metrics: () => (answers.shift() ?? (() => 'a 1\n'))() as string };
    const { received, scrape } = connected({ registry, refreshMs: 5 });
    scrape();
    await until(() => received.some((message) => message.kind === 'text'));
    expect(received.slice(0, 4)).toEqual(new Array(4).fill({ kind: 'error', reason: 'registry' }));
  });

  test('a text of more than 8 Mi characters is not sent', async () => {
    const { received } = connected({ registry: { metrics: () => '#'.repeat(8 * 1024 * 1024 + 1) } });
    await until(() => received.length > 0);
    expect(received).toEqual([{ kind: 'error', reason: 'too_large' }]);
  });
});

describe('keeping it on the agent thread', () => {
  function store() {
    const notices: string[] = [];
    const app = createAppStore({ errors: { ...NO_ERRORS }, onMalformed: (message) => notices.push(message) });
    const { port1, port2 } = new MessageChannel();
    app.attach(port2);
    cleanUps.push(() => port1.close());
    return { app, notices, send: (message: AppMetricsMessage) => port1.postMessage(message), port1 };
  }

  test('tells the main thread of each scrape and returns what came last, with its age', async () => {
    const { app, send, port1 } = store();
    let scrapes = 0;
    port1.on('message', () => {
      scrapes += 1;
    });
    expect(app.take(1000)).toEqual({ text: '', self: null });
    send({ kind: 'text', text: '# TYPE a gauge\na 1\ninference_health_x 1\n', atMs: 1000 });
    await until(() => app.take(3500).text !== '');
    expect(app.take(3500)).toEqual({
      text: '# TYPE a gauge\na 1\n',
      self: { ageMs: 2500, clashes: 1, errors: NO_ERRORS },
    });
    await until(() => scrapes >= 3);
  });

  test('a main thread without a registry closes the port, and there is no application to tell about', async () => {
    const { app, port1 } = store();
    port1.close();
    await until(() => app.take(0).self === null);
    expect(app.take(0)).toEqual({ text: '', self: null });
  });

  test('before the first text there are errors to tell about, and no age', async () => {
    const { app, send } = store();
    send({ kind: 'error', reason: 'registry' });
    await until(() => app.take(0).self !== null);
    expect(app.take(0).self).toMatchObject({ ageMs: null, errors: { registry: 1 } });
  });

  test('a malformed text takes the place of the good one, is counted, and is reported once', async () => {
    const { app, notices, send } = store();
    send({ kind: 'text', text: 'a 1\n', atMs: 1 });
    for (let times = 0; times < 3; times += 1) send({ kind: 'text', text: 'a 1\nbroken\n', atMs: 2 });
    await until(() => app.errors.malformed === 3);
    expect(app.take(3).text).toBe('');
    expect(notices).toEqual([expect.stringContaining('line 2')]);
    send({ kind: 'text', text: 'a 2\n', atMs: 4 });
    await until(() => app.take(5).text !== '');
  });

  test('a text older than five minutes is left out, and its age still told', async () => {
    const { app, send } = store();
    send({ kind: 'text', text: 'a 1\n', atMs: 0 });
    await until(() => app.take(300_000).text !== '');
    expect(app.take(300_001)).toMatchObject({ text: '', self: { ageMs: 300_001 } });
  });

  test('errors of the main thread are counted by reason', async () => {
    const { app, send } = store();
    send({ kind: 'error', reason: 'registry' });
    send({ kind: 'error', reason: 'too_large' });
    await until(() => app.errors.too_large === 1);
    expect(app.errors).toEqual({ malformed: 0, registry: 1, timeout: 0, too_large: 1 });
  });
});
