import { describe, expect, it, vi } from 'vitest';
import { createEmitter } from '../../lib/lifecycle/emitter.js';
import { createShutdown, type Shutdown, type ShutdownPorts } from '../../lib/lifecycle/shutdown.js';
import { until } from '../helpers/package.js';

const CONFIG = { signals: [], gracePeriodMs: 2000, lameDuckMs: 0, drain: true, hookTimeoutMs: 500 } as const;

interface Rig {
  readonly shutdown: Shutdown;
  /** What was done, in order. */
  readonly done: string[];
  active: number;
  readonly warn: ReturnType<typeof vi.fn>;
}

function rig(config: Partial<ShutdownPorts['config']> = {}, ports: Partial<ShutdownPorts> = {}): Rig {
  const done: string[] = [];
  const warn = vi.fn();
  const logger = { debug: vi.fn(), info: vi.fn(), warn, error: vi.fn() };
  const built = { done, active: 0, warn } as { -readonly [Key in keyof Rig]: Rig[Key] };
  built.shutdown = createShutdown({
    config: { ...CONFIG, ...config },
    logger,
    emitter: createEmitter(),
    now: () => performance.now(),
    async setPhase(phase) {
      done.push(phase);
    },
    activeRequests: () => built.active,
    setRefusing: (refuses) => void done.push(refuses ? 'refuse' : 'admit'),
    killScopes: () => {
      done.push('kill');
      built.active = 0;
    },
    signals: null,
    closeProbe: async () => void done.push('close'),
    exit: (code) => void done.push(`exit ${code}`),
    ...ports,
  });
  return built;
}

const exited = async ({ done }: Rig): Promise<string[]> => {
  await until(() => done.some((step) => step.startsWith('exit')));
  return done;
};

describe('the way to the exit', () => {
  it('is: not ready, refuse, hooks, stopped, listeners closed, exit', async () => {
    const built = rig();
    built.shutdown.hooks.add('hook', () => void built.done.push('hook'));
    built.shutdown.begin({ reason: 'x' });
    expect(await exited(built)).toEqual(['draining', 'refuse', 'hook', 'stopped', 'close', 'exit 0']);
  });

  it('ends what is in flight at the deadline, and says so with 75', async () => {
    const built = rig({ gracePeriodMs: 300 });
    built.active = 2;
    built.shutdown.begin({ reason: 'x' });
    expect(built.shutdown.status()).toMatchObject({ phase: 'announced', active: 2, exits: true });
    expect(await exited(built)).toEqual(['draining', 'refuse', 'kill', 'stopped', 'close', 'exit 75']);
  });

  it('after a failure exits with its code, and is called failed where a restart will not help', async () => {
    const engine = rig();
    engine.shutdown.begin({ reason: 'engine failure', exitCode: 1 });
    expect((await exited(engine)).at(-1)).toBe('exit 1');
    const gpu = rig();
    gpu.shutdown.begin({ reason: 'GPU failure', exitCode: 74, isFinal: true });
    expect(await exited(gpu)).toEqual(['failed', 'refuse', 'failed', 'close', 'exit 74']);
    const late = rig({ gracePeriodMs: 200 });
    late.active = 1;
    late.shutdown.begin({ reason: 'engine failure', exitCode: 1 });
    expect((await exited(late)).at(-1)).toBe('exit 1');
  });

  it('does not wait for a probe thread that is gone', async () => {
    const never = new Promise<never>(() => undefined);
    const built = rig({}, { setPhase: () => never });
    built.shutdown.begin({ reason: 'x' });
    expect((await exited(built)).at(-1)).toBe('exit 0');
  });

  it('serves stragglers in the lame duck, though not after a failure', async () => {
    const built = rig({ lameDuckMs: 60_000 });
    built.shutdown.begin({ reason: 'x' });
    await until(() => built.shutdown.status().phase === 'lame-duck');
    expect(built.done).toEqual(['draining']);
    built.shutdown.begin({ reason: 'engine failure', exitCode: 1 });
    expect((await exited(built)).at(-1)).toBe('exit 1');
  });
});

describe('a pause', () => {
  it('goes on until it is taken back, and too late is too late', async () => {
    const built = rig();
    built.shutdown.pause('admin');
    await until(() => built.done.includes('refuse'));
    expect(built.shutdown.status()).toMatchObject({
      phase: 'draining',
      reason: 'admin',
      exits: false,
      remainingMs: null,
    });
    expect(built.shutdown.resume()).toBe(true);
    expect(built.done).toEqual(['draining', 'refuse', 'admit', 'serving']);
    built.shutdown.hooks.add('slow', () => new Promise((resolve) => setTimeout(resolve, 200)));
    built.shutdown.begin({ reason: 'x' });
    await until(() => built.shutdown.status().phase === 'fencing');
    expect(built.shutdown.resume()).toBe(false);
    expect((await exited(built)).at(-1)).toBe('exit 0');
  });
});

it('warns where the parts of a shutdown do not fit into its grace period, with the figures', () => {
  const fits = rig({ gracePeriodMs: 30_000, lameDuckMs: 5000 });
  fits.shutdown.checkBudget();
  expect(fits.warn).not.toHaveBeenCalled();
  const lame = rig({ gracePeriodMs: 30_000, lameDuckMs: 30_000 });
  lame.shutdown.checkBudget();
  expect(lame.warn.mock.calls[0]?.[1]).toMatch(
    /30000 ms of lame duck, 0 ms of clean-up hooks and 500 ms for errors/,
  );
  const hooks = rig({ gracePeriodMs: 1000 });
  hooks.shutdown.hooks.add('slow', () => undefined, { timeoutMs: 600 });
  hooks.shutdown.checkBudget();
  expect(hooks.warn).toHaveBeenCalledOnce();
});
