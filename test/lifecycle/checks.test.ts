import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type CheckFunction, type CheckOptions, startCheck } from '../../lib/lifecycle/checks.js';
import type { StatusEvent } from '../../lib/status/events.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function start(fn: CheckFunction, options: CheckOptions = {}) {
  const events: StatusEvent[] = [];
  const handle = startCheck('db', fn, options, {
    dispatch: (event) => events.push(event),
    now: () => Date.now(),
  });
  const last = () => events.at(-1);
  return { events, handle, last };
}

it('a check logs its changes of status, and not the first success', async () => {
  const lines: string[] = [];
  const log = (level: string) => (fields: object, message?: string) => {
    lines.push(`${level} ${message} ${(fields as { detail: string | null }).detail}`);
  };
  const logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') };
  const answers = [true, true, new Error('gone'), new Error('gone'), true];
  let run = 0;
  const check = () => {
    const answer = answers[run++] ?? true;
    if (answer instanceof Error) throw answer;
    return answer;
  };
  startCheck('db', check, { intervalMs: 100 }, { dispatch: () => undefined, now: () => Date.now(), logger });
  await vi.advanceTimersByTimeAsync(1000);
  expect(lines).toEqual(['warn Check failed gone', 'info Check passed null']);
});

describe('a check', () => {
  it('is unknown until it has completed once, then healthy', async () => {
    const { last } = start(() => undefined);
    expect(last()).toMatchObject({ status: 'unknown', reason: 'db.pending' });
    await vi.advanceTimersByTimeAsync(0);
    expect(last()).toMatchObject({ status: 'healthy', message: 'Check passed' });
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('no route');
      },
    ],
    [
      'rejects',
      async () => {
        throw new Error('no route');
      },
    ],
  ] as const)('that %s is unhealthy, with the error only as detail', async (_name, fn) => {
    const { last } = start(fn);
    await vi.advanceTimersByTimeAsync(0);
    expect(last()).toMatchObject({
      status: 'unhealthy',
      reason: 'db.check_failed',
      message: 'Check failed',
      detail: 'no route',
    });
  });

  it('may say false or degraded', async () => {
    const answers = [false, { status: 'degraded', message: 'slow' }, true] as const;
    let run = 0;
    const { last } = start(() => answers[run++] ?? true, { intervalMs: 100 });
    await vi.advanceTimersByTimeAsync(0);
    expect(last()).toMatchObject({ status: 'unhealthy' });
    await vi.advanceTimersByTimeAsync(100);
    expect(last()).toMatchObject({ status: 'degraded', reason: 'db.check_degraded', detail: 'slow' });
    await vi.advanceTimersByTimeAsync(100);
    expect(last()).toMatchObject({ status: 'healthy' });
  });

  it('that returns a response, or any other status that is none, is unhealthy and says why', async () => {
    for (const result of [new Response('', { status: 503 }), { status: 'up' }, { status: null }]) {
      const { last } = start((() => result) as unknown as CheckFunction);
      await vi.advanceTimersByTimeAsync(0);
      expect(last()).toMatchObject({
        status: 'unhealthy',
        reason: 'db.check_failed',
        detail: expect.stringMatching(/returned an object with status (503|"up"|null); expected 'healthy'/),
      });
    }
  });

  it('that resolves with a value of its own has passed', async () => {
    for (const result of [{ rows: [] }, [], null, 0, 'PONG']) {
      const { last } = start((async () => result) as unknown as CheckFunction);
      await vi.advanceTimersByTimeAsync(0);
      expect(last()).toMatchObject({ status: 'healthy' });
    }
  });

  it('cannot fill the document with its text, nor forge its placeholders', async () => {
    const { last } = start(() => {
      throw new Error(`\0t\0${'x'.repeat(100_000)}`);
    });
    await vi.advanceTimersByTimeAsync(0);
    const { detail } = last() as { detail: string };
    expect(detail).toMatch(/^tx+…$/);
    expect(detail.length).toBeLessThan(1100);
  });

  it('that hangs is aborted and unhealthy at its timeout, and never runs twice at a time', async () => {
    let runs = 0;
    let aborted = false;
    const { last } = start(
      ({ signal }) => {
        runs += 1;
        signal.addEventListener('abort', () => {
          aborted = true;
        });
        return new Promise(() => undefined);
      },
      { intervalMs: 100, timeoutMs: 50 },
    );
    await vi.advanceTimersByTimeAsync(50);
    expect(last()).toMatchObject({ status: 'unhealthy', reason: 'db.check_timeout', staleAfterMs: null });
    expect(aborted).toBe(true);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(runs).toBe(1);
  });

  it('goes on after a run that came late', async () => {
    let runs = 0;
    const { last } = start(
      async () => {
        runs += 1;
        if (runs === 1) await new Promise((resolve) => setTimeout(resolve, 500));
      },
      { intervalMs: 100, timeoutMs: 50 },
    );
    await vi.advanceTimersByTimeAsync(60);
    expect(last()).toMatchObject({ status: 'unhealthy' });
    await vi.advanceTimersByTimeAsync(540);
    expect(last()).toMatchObject({ status: 'healthy' });
    expect(runs).toBe(2);
  });

  it('turns unhealthy only after failureThreshold failures in a row', async () => {
    const answers = [true, false, true, false, false];
    let run = 0;
    const { events } = start(() => answers[run++] ?? true, {
      intervalMs: 100,
      failureThreshold: 2,
      successThreshold: 2,
    });
    await vi.advanceTimersByTimeAsync(700);
    const statuses = events.map((event) => (event.type === 'component' ? event.status : event.type));
    expect(statuses).toEqual([
      'unknown',
      'healthy',
      'healthy',
      'healthy',
      'healthy',
      'unhealthy',
      'unhealthy',
      'healthy',
      'healthy',
    ]);
  });

  it('that is stopped aborts its run, removes its component and says nothing more', async () => {
    let aborted = false;
    const { events, handle } = start(({ signal }) => {
      signal.addEventListener('abort', () => {
        aborted = true;
      });
      return new Promise(() => undefined);
    });
    await vi.advanceTimersByTimeAsync(0);
    handle.stop();
    handle.stop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(aborted).toBe(true);
    expect(events.filter(({ type }) => type === 'component-removed')).toHaveLength(1);
    expect(events.at(-1)).toEqual({ type: 'component-removed', name: 'db' });
  });

  it.each([
    [{ intervalMs: 0 }, /check db: intervalMs: expected a number of at least 1, received 0/],
    [{ interval: 5 }, /unknown option 'interval' of check db/],
  ])('refuses %j', (options, message) => {
    expect(() => start(() => undefined, options as CheckOptions)).toThrow(message);
  });
});
