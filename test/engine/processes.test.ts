import { describe, expect, it } from 'vitest';
import { type Child, withChild } from '../helpers/child.js';
import { until } from '../helpers/package.js';

/** A server whose engine is a child process; `say`s its port and the engine's pid first. */
function server(options: string, watch: string, more = ''): string {
  return `
    const { fork } = require('node:child_process');
    const health = await startHealth({ port: 0, host: '127.0.0.1', startupGraceMs: 0, ${options} });
    health.on('engineFailure', (failure) => say({ failure }));
    const start = (beat) => fork('test/engine/engine-child.cjs', [beat], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
    let child = start('${/stdio/.test(watch) ? 'stdio' : 'ipc'}');
    child.stdout.resume();
    let engine = health.engine.watch({ child, ${watch} });
    health.model.ready();
    health.engine.ready();
    process.stdin.on('data', (data) => { const text = String(data).trim(); if (text === 'replace') {
      engine.stop(); child = start('ipc'); engine = health.engine.watch({ child, ${watch} }); say({ pid: child.pid });
    } else child.send(text); });
    ${more}
    say({ port: health.listeners[0].port, pid: child.pid });
  `;
}

interface Running {
  readonly child: Child;
  readonly pid: number;
  probe(path: string): Promise<number>;
  codes(): Promise<string[]>;
  /** Milliseconds until the path answers with the status. */
  turns(path: string, status: number): Promise<number>;
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
    const turns = async (path: string, status: number): Promise<number> => {
      const startedMs = performance.now();
      await until(async () => ((await probe(path)) === status ? true : null), 15_000);
      return performance.now() - startedMs;
    };
    try {
      await turns('/health/ready', 200);
      await use({
        child,
        pid,
        probe,
        turns,
        async codes() {
          const { reasons } = (await (await get('/health')).json()) as { reasons: { code: string }[] };
          // The machine may be busy with other things.
          return reasons.map(({ code }) => code).filter((code) => !/^(cpu|memory)/.test(code));
        },
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
  it('that is stopped makes the process not ready within 5 s, and ready within 2 s of going on', async () => {
    await withServer(server('', "heartbeat: 'ipc'"), async ({ pid, probe, turns, codes }) => {
      process.kill(pid, 'SIGSTOP');
      expect(await turns('/health', 503)).toBeLessThan(5000);
      expect(await codes()).toEqual(['inference_engine.stalled']);
      expect(await probe('/health/ready')).toBe(503);
      expect(await probe('/livez')).toBe(200);
      process.kill(pid, 'SIGCONT');
      expect(await turns('/health', 200)).toBeLessThan(2000);
    });
  });

  it('that is killed ends the process with 1 within a second where that is asked for', async () => {
    await withServer(server("onEngineFailure: 'shutdown'", ''), async ({ child, pid }) => {
      const startedMs = performance.now();
      process.kill(pid, 'SIGKILL');
      expect(await child.message()).toMatchObject({
        failure: { kind: 'dead', cause: 'exit', engine: { processes: [{ pid, exit: 'SIGKILL' }] } },
      });
      expect(await child.exit()).toBe(1);
      expect(performance.now() - startedMs).toBeLessThan(1000);
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
