import { afterEach, describe, expect, it } from 'vitest';
import { createAdmission } from '../../lib/admission/admission.js';
import { NO_LIMITS } from '../../lib/admission/policy.js';
import { CANARY_MARK, type Canaries, createCanaries, DEFAULT_PAYLOAD } from '../../lib/canary/canary.js';
import type { CanaryConfig } from '../../lib/config/canary.js';
import { createBoard, createBoardWriter } from '../../lib/engine/board.js';
import { createActiveScopes, type RequestScope } from '../../lib/lifecycle/active-scopes.js';
import { createEndpoints } from '../../lib/lifecycle/served-endpoint.js';
import { monoMs } from '../../lib/native/clock.js';
import { REAL_CLOCK } from '../../lib/requests/abort-scope.js';
import type { CanaryReport } from '../../lib/status/types.js';
import { until } from '../helpers/package.js';

const CONFIG: CanaryConfig = {
  waitMs: 100,
  timeoutMs: 200,
  payload: null,
  failures: 1,
  of: 1,
  jitterPercent: 0,
  adaptive: false,
};

let open: Canaries | null = null;
afterEach(() => open?.close());

/** Real endpoints, scopes and timers; only the probe thread is missing. */
function setUp(config: Partial<CanaryConfig> = {}) {
  const scopes = createActiveScopes();
  const admission = createAdmission({ limits: NO_LIMITS, clock: REAL_CLOCK, random: () => 0 });
  const board = createBoardWriter(createBoard(), monoMs);
  const reports = new Map<string, CanaryReport | null>();
  const begun: string[] = [];
  const canaries = createCanaries({
    config: { ...CONFIG, ...config },
    logger: null,
    now: monoMs,
    dispatch(event) {
      if (event.type === 'canary') reports.set(event.name, event.report);
    },
    busy: board.running,
    progress: board.progressTotal,
    onWorking: () => board.progress(1),
    unsettled: (name) =>
      scopes.requests().filter(({ isCanary, endpoint }) => isCanary && endpoint === name).length,
  });
  open = canaries;
  const endpoint = createEndpoints({
    scopes,
    admission,
    begin: () => {
      begun.push('request');
      const nothing = (): void => undefined;
      return { tokens: nothing, end: nothing, fail: nothing, [Symbol.dispose]: nothing };
    },
    beginWork: board.begin,
    canaries,
    reportError: () => undefined,
    declare: () => undefined,
    dispatch: () => undefined,
    now: monoMs,
  });
  const report = (name = 'generate') => reports.get(name) ?? null;
  return {
    endpoint,
    scopes,
    admission,
    board,
    begun,
    report,
    reports,
    status: (wanted: string) => until(() => (report()?.status === wanted ? true : null)),
    outcome: (wanted: string) =>
      until(() => (report()?.history.some(({ outcome }) => outcome === wanted) ? true : null)),
  };
}

const forever = (scope: RequestScope): Promise<never> =>
  new Promise((_, reject) => {
    scope.signal.addEventListener('abort', () => reject(scope.signal.reason));
  });

describe('the canary of a served endpoint', () => {
  it('sends the documented request with its mark, and counts it nowhere', async () => {
    const { endpoint, begun, status, board, scopes } = setUp();
    const requests: unknown[] = [];
    endpoint('generate').serve(async function* (request) {
      requests.push(request);
      yield { tokens: 1 };
    });
    await status('ok');
    expect(requests[0]).toEqual({ ...DEFAULT_PAYLOAD, [CANARY_MARK]: true });
    expect(begun).toEqual([]);
    // But the watchdog hears that the engine works.
    expect(board.progressTotal()).toBe(1);
    expect(scopes.count({ withCanaries: true })).toBe(0);
  });

  it('sends what the endpoint was served with, and what the configuration says before that', async () => {
    for (const [config, expected] of [
      [{}, { prompt: 'a', [CANARY_MARK]: true }],
      [{ payload: { prompt: 'b' } }, { prompt: 'b', [CANARY_MARK]: true }],
    ] as const) {
      const { endpoint, status } = setUp(config);
      const requests: unknown[] = [];
      endpoint('generate').serve(
        async function* (request) {
          requests.push(request);
          yield 1;
        },
        { canaryPayload: { prompt: 'a' } },
      );
      await status('ok');
      expect(requests[0]).toEqual(expected);
      open?.close();
    }
  });

  it('fails and aborts a handler that hangs, be it before or after its first frame', async () => {
    for (const first of [false, true]) {
      const { endpoint, status, report, scopes } = setUp();
      let aborted = 0;
      endpoint('generate').serve(async function* (_request, scope) {
        if (first) yield 1;
        await forever(scope).catch(() => {
          aborted += 1;
        });
      });
      await status('failed');
      expect(report()?.history[0]).toMatchObject({ outcome: 'timeout' });
      await until(() => (aborted > 0 && scopes.count({ withCanaries: true }) < 2 ? true : null));
      open?.close();
    }
  });

  it('leaves at most three handlers hanging that do not end when aborted, and goes on when they do', async () => {
    const { endpoint, status } = setUp({ waitMs: 50, timeoutMs: 30 });
    const hanging: (() => void)[] = [];
    let isWell = false;
    let calls = 0;
    endpoint('generate').serve(async function* () {
      calls += 1;
      if (!isWell) await new Promise<void>((resolve) => hanging.push(resolve));
      yield 1;
    });
    await until(() => (calls === 3 ? true : null));
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(calls).toBe(3);
    isWell = true;
    for (const release of hanging) release();
    await status('ok');
  });

  it('says what the handler threw, and that it gave nothing', async () => {
    const { endpoint, outcome, report } = setUp();
    let calls = 0;
    // biome-ignore lint/correctness/useYield: an answer without a frame is what is tested
    endpoint('generate').serve(async function* () {
      calls += 1;
      if (calls === 1) throw new Error('CUDA error: unspecified launch failure');
    });
    await outcome('empty');
    expect(report()?.history[0]).toMatchObject({
      outcome: 'failed',
      detail: expect.stringContaining('CUDA error'),
    });
  });

  it('is inconclusive while the process refuses requests', async () => {
    const { endpoint, admission, outcome, report } = setUp();
    admission.setRefusing(true);
    endpoint('generate').serve(async function* () {
      yield 1;
    });
    await outcome('inconclusive');
    expect(report()?.status).toBe('pending');
  });

  it('waits while a real request is at work, and takes its first frame for a success', async () => {
    const { endpoint, report, status } = setUp({ waitMs: 60_000 });
    let real = 0;
    const served = endpoint('generate').serve(async function* (request: unknown, scope) {
      if (request !== 'real') await forever(scope);
      real += 1;
      yield 1;
    });
    const call = served.call('real');
    await call.next();
    await status('ok');
    expect(report()?.counts).toEqual({ ok: 0, failed: 0, timeout: 0, empty: 0, inconclusive: 0 });
    expect(real).toBe(1);
    await call.return();
  });

  it('is not counted as failed by time in which the thread was blocked', async () => {
    const { endpoint, report, status } = setUp({ timeoutMs: 600 });
    endpoint('generate').serve(async function* () {
      await new Promise((resolve) => setTimeout(resolve, 50));
      yield 1;
    });
    await until(() => (report() === null ? null : true));
    await new Promise((resolve) => setTimeout(resolve, 20));
    const endMs = performance.now() + 1500;
    while (performance.now() < endMs);
    await status('ok');
    expect(report()?.counts).toMatchObject({ failed: 0, timeout: 0 });
  });

  it('ends with its endpoint, whose name may be served again, but not twice at once', async () => {
    const { endpoint, reports, status } = setUp({ timeoutMs: 60_000 });
    let aborted = false;
    const served = endpoint('generate').serve(async function* (_request, scope) {
      await forever(scope).finally(() => {
        aborted = true;
      });
      yield 1;
    });
    await until(() => (reports.has('generate') ? true : null));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(() => endpoint('generate').serve(async function* () {})).toThrow(/generate is served already/);
    served.close();
    expect(reports.get('generate')).toBeNull();
    await until(() => (aborted ? true : null));
    expect(reports.get('generate')).toBeNull();
    endpoint('generate').serve(async function* () {
      yield 1;
    });
    await status('ok');
    expect(() => open?.add({ name: 'generate' } as never, null)).toThrow(/generate has a canary already/);
  });
});
