import { describe, expect, it } from 'vitest';
import { type Child, withChild } from '../helpers/child.js';
import { sleep, until } from '../helpers/package.js';

/** A server whose engine is a child process; `say`s its port and the engine's pid first. */
function server(options: string, watch: string, more = ''): string {
  return `
    const { fork } = require('node:child_process');
    const health = await startHealth({ port: 0, host: '127.0.0.1', startupGraceMs: 0, ${options} });
    health.on('engineFailure', (failure) => say({ failure }));
    const start = (beat) => fork('test/engine/engine-child.cjs', [beat], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
    let child = start('${/stdio/.test(watch) ? 'stdio' : 'ipc'}');
    child.stdout.resume();
    // Heartbeats count from the first one on, and it may take its time on a busy machine.
    const beating = new Promise((resolve) => { child.once('message', resolve); child.stdout.once('data', resolve); });
    let engine = health.engine.watch({ child, ${watch} });
    health.model.ready();
    health.engine.ready();
    const endpoint = health.endpoint('generate').serve(async function* (request, scope) {
      if (request !== 'hang') yield { tokens: 1 };
      if (request === 'hang' || request === 'first') await new Promise((_, reject) => scope.signal.addEventListener('abort', () => reject(scope.signal.reason)));
    }, { canaryPayload: {} });
    const ask = async (request) => {
      let frames = 0;
      try {
        for await (const _ of endpoint.call(request)) frames += 1;
        say({ request, frames });
      } catch (error) { say({ request, frames, error: error.code, message: error.message }); }
    };
    process.stdin.on('data', (data) => { for (const text of String(data).trim().split('\\n')) if (text === 'replace') {
      engine.stop(); child = start('ipc'); engine = health.engine.watch({ child, ${watch} }); say({ pid: child.pid });
    } else if (text.startsWith('ask ')) void ask(text.slice(4));
      else if (text === 'block') { say('blocking'); blockUntilTold(); }
      else if (text === 'bad') globalThis.isBad = true;
      else if (text === 'stop-beats') globalThis.stopBeats();
      else void beating.then(() => setTimeout(() => child.send(text), 600)); });
    ${more}
    say({ port: health.listeners[0].port, pid: child.pid });
  `;
}

interface Running {
  readonly child: Child;
  readonly pid: number;
  probe(path: string): Promise<number>;
  codes(): Promise<string[]>;
  inFlight(): Promise<number>;
  /** Waits until the path answers with the status. */
  turns(path: string, status: number): Promise<void>;
}

async function withServer(source: string, use: (running: Running) => Promise<void>): Promise<void> {
  await withChild(source, async (child) => {
    const { port, pid } = await child.message<{ port: number; pid: number }>();
    const get = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${port}${path}`);
    const probe = async (path: string): Promise<number> => {
      const response = await get(path);
      await response.arrayBuffer();
      return response.status;
    };
    const turns = async (path: string, status: number): Promise<void> => {
      await until(async () => (await probe(path)) === status);
    };
    const document = async () =>
      (await (await get('/health')).json()) as {
        reasons: { code: string }[];
        metrics: { active_requests: number };
      };
    try {
      await turns('/health/ready', 200);
      await use({
        child,
        pid,
        probe,
        turns,
        async codes() {
          const { reasons } = await document();
          // The machine may be busy with other things.
          return reasons.map(({ code }) => code).filter((code) => !/^(cpu|memory)/.test(code));
        },
        inFlight: async () => (await document()).metrics.active_requests,
      });
    } finally {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended.
      }
    }
  });
}

describe('an engine in a child process', () => {
  it('that is stopped makes the process not ready, and ready again when it goes on', async () => {
    await withServer(server('', "heartbeat: 'ipc'"), async ({ pid, probe, turns, codes }) => {
      process.kill(pid, 'SIGSTOP');
      await turns('/health', 503);
      expect(await codes()).toEqual(['inference_engine.stalled']);
      expect(await probe('/health/ready')).toBe(503);
      expect(await probe('/livez')).toBe(200);
      process.kill(pid, 'SIGCONT');
      await turns('/health', 200);
    });
  });

  it('that is killed ends the process with 1 where that is asked for, long before the grace period is over', async () => {
    await withServer(server("onEngineFailure: 'shutdown'", ''), async ({ child, pid }) => {
      const startedMs = performance.now();
      process.kill(pid, 'SIGKILL');
      expect(await child.message()).toMatchObject({
        failure: { kind: 'dead', cause: 'exit', engine: { processes: [{ pid, exit: 'SIGKILL' }] } },
      });
      expect(await child.exit()).toBe(1);
      expect(performance.now() - startedMs).toBeLessThan(15_000);
    });
  });

  it('that is killed leaves the process running and not ready by default, until another one is watched', async () => {
    await withServer(server('', "heartbeat: 'ipc'"), async ({ child, pid, turns, codes, probe }) => {
      process.kill(pid, 'SIGKILL');
      expect(await child.message()).toMatchObject({
        failure: { kind: 'dead', code: 'inference_engine.dead' },
      });
      await turns('/health/ready', 503);
      expect(await codes()).toEqual(['inference_engine.dead']);
      expect(await probe('/livez')).toBe(200);
      child.process.stdin?.write('replace\n');
      const { pid: other } = await child.message<{ pid: number }>();
      await turns('/health/ready', 200);
      process.kill(other, 'SIGKILL');
    });
  });
});

describe.concurrent('an engine process', () => {
  it('that is killed ends every stream in flight with an explicit error', async () => {
    await withServer(server("onEngineFailure: 'shutdown'", ''), async ({ child, pid, inFlight }) => {
      for (let stream = 0; stream < 3; stream += 1) child.process.stdin?.write('ask first\n');
      await until(async () => (await inFlight()) === 3);
      process.kill(pid, 'SIGKILL');
      expect(await child.message()).toHaveProperty('failure');
      expect(await child.message()).toEqual({
        request: 'first',
        frames: 1,
        error: 'ERR_DRAINING',
        message: expect.stringContaining('The engine process has exited'),
      });
      expect(await child.exit()).toBe(1);
    });
  });

  it.each([
    ['spins', "heartbeat: 'ipc'", 'spin', 'inference_engine.stalled'],
    ['spins, heard over standard output', "heartbeat: 'stdio'", 'spin', 'inference_engine.stalled'],
    ['exits by itself', '', 'exit', 'inference_engine.dead'],
    ['disconnects', '', 'disconnect', 'inference_engine.dead'],
    ['closes its standard output', "heartbeat: 'stdio'", 'close-stdout', 'inference_engine.dead'],
  ])('that %s is found', async (_what, watch, command, code) => {
    await withServer(server('', watch), async ({ child, codes, turns, probe }) => {
      child.process.stdin?.write(`${command}\n`);
      await turns('/health/ready', 503);
      expect(await codes()).toEqual([code]);
      expect(await probe('/livez')).toBe(200);
    });
  });

  it('that dies while the main thread is blocked is found by the probe thread', async () => {
    await withServer(server('loopUnreadyMs: 60_000', ''), async ({ child, pid, codes, turns }) => {
      child.process.stdin?.write('block\n');
      expect(await child.message()).toBe('blocking');
      process.kill(pid, 'SIGKILL');
      await turns('/health/ready', 503);
      expect(await codes()).toEqual(['inference_engine.dead']);
    });
  });
});

describe.concurrent('an engine at work', () => {
  const LIMITS =
    'liveStallMs: 700, engineMonitor: { stallFloorMs: 500, stallCeilingMs: 800, checkIntervalMs: 100, checkTimeoutMs: 300 },';

  it.each([
    ['before the first token', 'hang', ''],
    ['after it', 'first', ''],
    ['while the step counter stands still', 'hang', 'progress: () => 7'],
  ])(
    'that hangs %s is not ready, then not live, and ends the process with a dump where asked to',
    async (_when, request, watch) => {
      await withServer(
        server(`${LIMITS} onEngineFailure: 'shutdown'`, watch),
        async ({ child, pid, turns, codes }) => {
          child.process.stdin?.write(`ask ${request}\n`);
          await turns('/health/ready', 503);
          expect(await codes()).toEqual(['inference_engine.stalled']);
          const message = await child.message<{ failure: object }>();
          expect(message).toMatchObject({
            failure: {
              kind: 'stalled',
              cause: expect.stringMatching(/prefill|decode/),
              engine: { processes: [{ pid, state: expect.stringMatching(/[RSD]/) }] },
            },
          });
          expect(await child.message()).toMatchObject({ request, error: 'ERR_DRAINING' });
          expect(await child.exit()).toBe(1);
        },
      );
    },
  );

  it.each([
    ['hangs', '() => new Promise(() => {})', 'inference_engine.stalled'],
    ['returns false', '() => false', 'inference_engine.check_failed'],
    ['throws', "() => { throw new Error('CUDA'); }", 'inference_engine.check_failed'],
  ])('whose check %s is not ready, then not live', async (_what, check, code) => {
    const watch = `check: (context) => globalThis.isBad ? (${check})(context) : true`;
    const source = server(`${LIMITS}`, watch);
    await withServer(source, async ({ child, turns, codes }) => {
      child.process.stdin?.write('bad\n');
      await turns('/health/ready', 503);
      expect(await codes()).toEqual([code]);
      await turns('/livez', 503);
    });
  });

  it('on another thread is heard by its counter while the main thread is blocked', async () => {
    const source = server(
      'loopUnreadyMs: 60_000',
      'heartbeat: new SharedArrayBuffer(4)',
      `const { Worker } = require('node:worker_threads');
       engine.stop();
       const beats = new SharedArrayBuffer(4);
       const worker = new Worker('const { workerData } = require("node:worker_threads"); const beats = new Int32Array(workerData);' +
         'const timer = setInterval(() => Atomics.add(beats, 0, 1), 100);' +
         'require("node:worker_threads").parentPort.once("message", () => setTimeout(() => clearInterval(timer), 1500));',
         { eval: true, workerData: beats });
       globalThis.stopBeats = () => worker.postMessage('stop');
       health.engine.watch({ heartbeat: beats });`,
    );
    await withServer(source, async ({ child, turns, codes }) => {
      child.process.stdin?.write('stop-beats\nblock\n');
      expect(await child.message()).toBe('blocking');
      await turns('/health/ready', 503);
      expect(await codes()).toEqual(['inference_engine.stalled']);
    });
  });
});

describe('a main thread that is blocked for long', () => {
  it('is live, not ready because of its loop, and fails no test request', async () => {
    const source = server('canary: { waitMs: 300, timeoutMs: 3000 }', '');
    await withServer(source, async ({ child, turns, probe, codes }) => {
      child.process.stdin?.write('block\n');
      await turns('/health/ready', 503);
      // Longer than a test request may take.
      await sleep(3500);
      expect(await codes()).toEqual(['event_loop.blocked']);
      expect(await probe('/livez')).toBe(200);
      child.process.stdin?.write('x');
      await turns('/health/ready', 200);
      await sleep(600);
      await until(async () => (await codes()).length === 0);
    });
  });
});

describe('an idle engine that hangs', () => {
  it('is found by its canary, shown with its history, and well again with the next test that succeeds', async () => {
    const source = `
      const health = await startHealth({ port: 0, host: '127.0.0.1', startupGraceMs: 0, canary: { waitMs: 300, timeoutMs: 300 } });
      let isHung = false;
      health.endpoint('generate').serve(async function* (request, scope) {
        if (isHung) await new Promise((_, reject) => scope.signal.addEventListener('abort', () => reject(scope.signal.reason)));
        yield 1;
      });
      process.stdin.on('data', (data) => { isHung = String(data).trim() === 'hang'; });
      say({ port: health.listeners[0].port, pid: 0 });
    `;
    await withChild(source, async (child) => {
      const { port } = await child.message<{ port: number }>();
      const health = async () =>
        (await (await fetch(`http://127.0.0.1:${port}/health`)).json()) as {
          endpoints: { generate: string };
          canary: {
            generate: { status: string; outcomes: Record<string, number>; history: { outcome: string }[] };
          };
          reasons: { code: string }[];
        };
      const becomes = (status: string) =>
        until(async () => ((await health()).canary?.generate.status === status ? true : null));
      await becomes('ok');
      child.process.stdin?.write('hang\n');
      await becomes('failed');
      const failed = await health();
      expect(failed.endpoints.generate).toBe('notready');
      expect(failed.reasons.map(({ code }) => code)).toContain('canary.failed');
      expect(failed.canary.generate.history.at(-1)).toMatchObject({ outcome: 'timeout' });
      expect((await fetch(`http://127.0.0.1:${port}/livez`)).status).toBe(200);
      const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      expect(metrics).toMatch(/inference_health_canary_total\{outcome="timeout"\} [1-9]/);
      child.process.stdin?.write('well\n');
      await becomes('ok');
      await until(async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).status === 200);
    });
  });
});
