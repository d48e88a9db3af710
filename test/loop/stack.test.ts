import { describe, expect, test } from 'vitest';
import type { StallReport } from '../../lib/agent/stack.js';
import { connectCdp } from './cdp.js';
import { type ChildOptions, type Ended, runChild } from './child.js';

interface StuckOptions {
  readonly times?: number;
  readonly afterMs?: number;
  readonly waitMs?: number;
  readonly slowMs?: number;
  readonly maxFrames?: number;
  readonly withoutAddon?: boolean;
  readonly openInspector?: boolean;
  readonly waitForDebugger?: boolean;
}

interface Stuck extends Ended {
  readonly captures: readonly { readonly report: StallReport | null; readonly tookMs: number }[];
  readonly afterwards: {
    readonly whileStuck: number;
    readonly ran: number;
    readonly hooks: readonly unknown[];
  };
}

/** Runs a main thread that gets stuck, and asserts that it went on afterwards. */
async function getStuckIn(
  place: string,
  options: StuckOptions = {},
  child: ChildOptions = {},
): Promise<Stuck> {
  const ended = await runChild('stuck', [place, JSON.stringify(options)], child);
  expect({ code: ended.code, signal: ended.signal }, ended.stderr).toEqual({ code: 0, signal: null });
  const afterwards = ended.lines.at(-1) as Stuck['afterwards'];
  // Nothing of the application ran in the middle of the stall, and everything after it.
  expect(afterwards).toMatchObject({ goesOn: true, whileStuck: 0, ran: 2, hooksKept: true });
  return { ...ended, afterwards, captures: ended.lines.slice(0, -1) as Stuck['captures'] };
}

function onlyReport({ captures }: Stuck): StallReport {
  expect(captures).toHaveLength(1);
  return captures[0]!.report!;
}

describe.concurrent('the stack of a stuck main thread', () => {
  test.each([
    { place: 'javascript', withoutAddon: false },
    { place: 'javascript', withoutAddon: true },
    { place: 'microtasks', withoutAddon: false },
    { place: 'hostile hooks', withoutAddon: false },
  ])('names the function: $place, without addon: $withoutAddon', async ({ place, withoutAddon }) => {
    const stuck = await getStuckIn(place, { withoutAddon });
    const report = onlyReport(stuck);
    expect(report).toMatchObject({ kind: 'javascript', thread: null });
    expect(report.busyMs).toBeGreaterThanOrEqual(200);
    expect(Math.abs(Date.now() - report.atUnixMs)).toBeLessThan(20_000);
    const frame = report.frames.find(({ functionName }) => functionName === 'tokenize')!;
    expect(frame.url).toMatch(/stuck\.cjs$/);
    expect(frame.line).toBeGreaterThan(1);
    expect(frame.column).toBeGreaterThan(0);
    expect(stuck.stderr).toBe('');
  });

  test('is cut to the innermost frames', async () => {
    const { frames } = onlyReport(await getStuckIn('a deep stack', { maxFrames: 7 }));
    expect(frames.map(({ functionName }) => functionName).at(-1)).toBe('recurse');
    expect(frames).toHaveLength(7);
  });

  test('is taken at most once a minute', async () => {
    const { captures } = await getStuckIn('javascript', { times: 2 });
    expect(captures.map(({ report }) => report?.kind)).toEqual(['javascript', undefined]);
    expect(captures[1]!.tookMs).toBeLessThan(captures[0]!.tookMs + 2000);
  });

  test('is not taken when the stall has ended before', async () => {
    const report = onlyReport(await getStuckIn('a short stall', { afterMs: 50, waitMs: 500 }));
    expect(report).toMatchObject({ kind: 'ended', frames: [], thread: null });
  });

  test('is not shown when the stall ends during the capture', async () => {
    const report = onlyReport(await getStuckIn('a short execSync', { slowMs: 4000 }));
    expect(report).toMatchObject({ kind: 'ended', frames: [], thread: null });
  });
});

describe.concurrent('native code', () => {
  test.each([false, true])(
    'that sleeps is told from code that computes, without addon: %s',
    async (withoutAddon) => {
      const stuck = await getStuckIn('execSync', { withoutAddon });
      const report = onlyReport(stuck);
      expect(report).toMatchObject({ kind: 'native', frames: [], thread: { state: 'S' } });
      expect(report.thread!.cpuMs).toBeGreaterThanOrEqual(0);
      expect(report.thread!.cpuRatio).toBeLessThan(0.5);
      expect(stuck.captures[0]!.tookMs).toBeGreaterThanOrEqual(195);
    },
  );

  test('that computes runs or waits for a processor', async () => {
    const report = onlyReport(await getStuckIn('native code'));
    expect(report).toMatchObject({ kind: 'native', frames: [], thread: { state: 'R', wchan: null } });
    expect(report.thread!.cpuMs).toBeGreaterThan(0);
  });
});

test('a process that may not be inspected lives on, and the thread is reported', async () => {
  const flag = process.allowedNodeEnvironmentFlags.has('--permission')
    ? '--permission'
    : '--experimental-permission';
  const allowed = ['--allow-worker', '--allow-addons', '--allow-fs-read=*'];
  const report = onlyReport(await getStuckIn('javascript', {}, { execArgv: [flag, ...allowed] }));
  expect(report).toMatchObject({ kind: 'unavailable', frames: [], thread: { state: 'R' } });
});

describe('with a debugger', () => {
  test('a breakpoint is neither looked into nor resumed', async () => {
    let attached: Promise<readonly string[]> | undefined;
    const stuck = await getStuckIn(
      'a breakpoint',
      { waitForDebugger: true },
      {
        execArgv: ['--inspect=0'],
        onStderr(stderr) {
          const url = /ws:\/\/\S+/.exec(stderr)?.[0];
          if (url !== undefined) attached ??= debug(url);
        },
      },
    );
    expect(onlyReport(stuck)).toMatchObject({ kind: 'debugger', frames: [], thread: null });
    expect(await attached).toEqual(['Debugger.paused', 'resume', 'Debugger.resumed']);
  });

  test('the inspector opened by the application is respected', async () => {
    const report = onlyReport(await getStuckIn('javascript', { openInspector: true }));
    expect(report).toMatchObject({ kind: 'debugger', frames: [], thread: null });
  });

  /** A developer who looks at a breakpoint for a second. */
  async function debug(url: string): Promise<readonly string[]> {
    const cdp = await connectCdp(url);
    await cdp.send('Debugger.enable');
    await cdp.send('Runtime.evaluate', { expression: 'globalThis.attached = true' });
    const seen = () =>
      cdp.events.map(({ method }) => method).filter((method) => /paused|resumed/.test(method));
    await cdp.waitFor('Debugger.paused');
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const order = [...seen(), 'resume'];
    await cdp.send('Debugger.resume');
    await cdp.waitFor('Debugger.resumed');
    const result = [...order, ...seen().slice(order.length - 1)];
    cdp.close();
    return result;
  }
});
