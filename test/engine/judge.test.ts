import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { EngineMonitorConfig } from '../../lib/config/engine.js';
import { createBoard, createBoardReader, createBoardWriter, MAX_WATCHES } from '../../lib/engine/board.js';
import { runCheck } from '../../lib/engine/check-runner.js';
import { createEngineJudge } from '../../lib/engine/judge.js';
import { createEngineMonitor } from '../../lib/engine/monitor.js';
import { DEFAULT_ENGINE_POLICY } from '../../lib/engine/policy-budgets.js';
import { readProcessState } from '../../lib/engine/process-state.js';
import { afterTurning } from '../../lib/engine/turning.js';
import { until } from '../helpers/package.js';

const CONFIG: EngineMonitorConfig = {
  ...DEFAULT_ENGINE_POLICY,
  checkIntervalMs: 50,
  checkTimeoutMs: 200,
  shutdownTimeoutMs: 1000,
};

/** The board between its two sides, with the probe thread's clock in the test's hands. */
function setUp(counted = { active: 0, completed: 0, tokensTotal: 0 }) {
  const buffer = createBoard();
  let nowMs = 0;
  const board = createBoardWriter(buffer, () => nowMs);
  const judge = createEngineJudge(buffer, DEFAULT_ENGINE_POLICY, () => counted);
  const dead: string[] = [];
  const monitor = createEngineMonitor({
    board,
    config: CONFIG,
    logger: null,
    now: () => nowMs,
    sendCounter: ({ id, buffer: counter }) => judge.setCounter(id, counter),
    onDead: ({ cause }, detail) => dead.push(`${cause}: ${detail}`),
  });
  return {
    buffer,
    board,
    monitor,
    dead,
    counted,
    look(ms: number) {
      let finding = null;
      for (const endMs = nowMs + ms; nowMs < endMs; ) {
        nowMs += 500;
        finding = judge.step(nowMs, 0, false);
      }
      return finding;
    },
  };
}

describe('the board', () => {
  it('counts requests by what the engine still owes them', () => {
    const { board, buffer } = setUp();
    const reader = createBoardReader(buffer);
    const seen = () => [reader.open(), reader.running(), reader.prefilling(), reader.givenUp()];
    const first = board.begin();
    const second = board.begin();
    expect(seen()).toEqual([2, 2, 2, 0]);
    first.progress();
    first.answered();
    first.answered();
    expect(seen()).toEqual([2, 2, 1, 0]);
    first.waits();
    first.waits();
    expect(seen()).toEqual([2, 1, 1, 0]);
    first.resumes();
    first.resumes();
    expect(seen()).toEqual([2, 2, 1, 0]);
    second.end(false);
    second.end();
    second.progress();
    expect(seen()).toEqual([1, 1, 0, 1]);
    first.waits();
    first.end();
    expect(seen()).toEqual([0, 0, 0, 1]);
    expect(reader.progress()).toBe(2);
  });

  it('has room for 64 engines, and a place is used again but never its id', () => {
    const { board } = setUp();
    const claims = Array.from({ length: MAX_WATCHES }, () => board.claimWatch());
    expect(board.claimWatch()).toBeNull();
    claims[5]?.release();
    const again = board.claimWatch();
    expect(again?.id).toBe(MAX_WATCHES + 1);
    claims[5]?.setDead('exit');
    claims[5]?.release();
    expect(board.claimWatch()).toBeNull();
  });
});

describe('requests that the application only counts', () => {
  it('are the work of an engine whose step counter is watched, and of no other', async () => {
    const { monitor, look, counted, board } = setUp({ active: 2, completed: 0, tokensTotal: 0 });
    expect(look(200_000)).toBeNull();
    let steps = 0;
    const watch = monitor.watch({ progress: () => steps });
    await until(() => (board.progressTotal() > 0 ? true : null), 2000);
    expect(look(119_000)).toBeNull();
    expect(look(2000)).toMatchObject({ code: 'inference_engine.stalled', cause: 'prefill' });
    steps += 1;
    const before = board.progressTotal();
    await until(() => (board.progressTotal() > before ? true : null), 2000);
    expect(look(500)).toBeNull();
    look(119_000);
    counted.tokensTotal += 1;
    expect(look(2000)).toBeNull();
    watch.stop();
  });
});

describe('a watch', () => {
  it('says what is wrong with its options', () => {
    const { monitor } = setUp();
    const child = spawn(process.execPath, ['-e', ''], { stdio: 'ignore' });
    const wrong: [object, RegExp][] = [
      [{}, /at least one of child, heartbeat, progress, check/],
      [{ chlid: 1 }, /unknown option 'chlid'/],
      [{ heartbeat: 'ipc' }, /child: expected a ChildProcess, as heartbeat is 'ipc'/],
      [{ heartbeat: 'tcp', child }, /'stdio', 'ipc' or a SharedArrayBuffer/],
      [{ heartbeat: 'ipc', child }, /with an IPC channel/],
      [{ heartbeat: 'stdio', child }, /with a pipe as standard output/],
      [{ heartbeat: new SharedArrayBuffer(2) }, /at least 4 bytes/],
      [{ check: true }, /check: expected a function/],
      [{ progress: 3 }, /progress: expected a function/],
    ];
    for (const [options, message] of wrong) expect(() => monitor.watch(options as never)).toThrow(message);
    child.kill();
  });

  it('of a child that has ended already, or could not be started, finds it dead', async () => {
    const { monitor, dead, look } = setUp();
    const child = spawn(process.execPath, ['-e', 'process.exit(7)'], { stdio: 'ignore' });
    await once(child, 'exit');
    const first = monitor.watch({ child });
    expect(dead).toEqual(['exit: exit code 7']);
    expect(look(500)).toMatchObject({ kind: 'dead' });
    first.stop();
    expect(look(500)).toBeNull();
    const missing = spawn('/nowhere/engine', { stdio: 'ignore' });
    missing.on('error', () => undefined);
    monitor.watch({ child: missing });
    expect(dead[1]).toMatch(/could not be started/);
    monitor.close();
    expect(look(500)).toBeNull();
  });

  it('that was stopped says nothing when the application ends its engine', async () => {
    const { monitor, dead, look } = setUp();
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    await once(child, 'spawn');
    const watch = monitor.watch({ child });
    expect(look(500)).toBeNull();
    expect(monitor.describe().processes[0]).toMatchObject({
      pid: child.pid,
      state: expect.stringMatching(/[RSD]/),
    });
    watch.stop();
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect([dead, look(500)]).toEqual([[], null]);
  });

  it('knows a process from a later one of the same pid', () => {
    const { board, look } = setUp();
    const own = readProcessState(process.pid)!;
    const row = board.claimWatch()!;
    row.setProcess(process.pid, own.startTicks);
    expect(look(500)).toBeNull();
    row.setProcess(process.pid, own.startTicks - 1);
    expect(look(500)).toMatchObject({ cause: 'gone' });
  });

  it('is dead when its check says so', async () => {
    const { monitor, dead } = setUp();
    monitor.watch({ check: () => 'dead' });
    await until(() => (dead.length > 0 ? true : null), 2000);
    expect(dead[0]).toMatch(/^reported/);
    monitor.close();
  });
});

describe('a check', () => {
  it('never runs beside itself, and is well again when it returns in time', async () => {
    const states: string[] = [];
    let running = 0;
    let most = 0;
    let isSlow = true;
    let aborted = 0;
    const stop = runCheck({
      check: async ({ signal }) => {
        running += 1;
        most = Math.max(most, running);
        signal.addEventListener('abort', () => {
          aborted += 1;
        });
        if (isSlow) await new Promise((resolve) => setTimeout(resolve, 500));
        running -= 1;
      },
      intervalMs: 20,
      timeoutMs: 200,
      onState: (state) => states.push(state),
    });
    await until(() => (states.includes('timeout') ? true : null));
    expect(aborted).toBe(1);
    isSlow = false;
    await until(() => (states.at(-1) === 'ok' ? true : null));
    expect(most).toBe(1);
    stop();
  });
});

describe('a deadline in turning time', () => {
  it('is not over after a block that was longer', async () => {
    let isOver = false;
    afterTurning(500, () => {
      isOver = true;
    });
    const endMs = performance.now() + 1000;
    while (performance.now() < endMs);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(isOver).toBe(false);
    await until(() => (isOver ? true : null));
  });
});
