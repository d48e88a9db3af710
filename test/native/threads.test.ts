import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const ADDON = join(import.meta.dirname, '../../build/Release/inference_health.node');
const LIMIT_MS = 50_000;

interface Outcome {
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs CommonJS source in a fresh Node; one that hangs is killed and reported as a signal. */
function run(source: string, ...args: string[]): Promise<Outcome> {
  const prelude = `
    const { Worker } = require('node:worker_threads');
    const { readdirSync } = require('node:fs');
    const ADDON = ${JSON.stringify(ADDON)};
    const addon = require(ADDON);
    const fast = { root: '/', hz: 100, perCore: true };
    const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    const samplerThreads = () => readdirSync('/proc/self/task').filter((tid) => {
      try { return require('node:fs').readFileSync('/proc/self/task/' + tid + '/comm', 'utf8') === 'health-sampler\\n'; } catch { return false; }
    }).length;
    const worker = (code) => new Worker("const addon = require(" + JSON.stringify(ADDON) + "); const fast = { root: '/', hz: 100, perCore: true }; const { parentPort } = require('node:worker_threads');" + code, { eval: true });
    const said = (thread) => new Promise((resolve) => thread.once('message', resolve));
  `;
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['-e', `${prelude}\n(async () => {${source}\n})();`, ...args],
      { timeout: LIMIT_MS, killSignal: 'SIGKILL' },
      (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : (error.code ?? error.signal ?? '?'), stdout, stderr }),
    );
  });
}

const clean = (stdout = ''): Outcome => ({ code: 0, stdout, stderr: '' });

describe('the sampler thread', () => {
  it('does not keep a process alive', async () => {
    expect(await run('addon.startSampler(fast);')).toEqual(clean());
  });

  it('leaves the exit code of process.exit and of an uncaught error alone', async () => {
    expect((await run('addon.startSampler(fast); await sleep(30); process.exit(7);')).code).toBe(7);
    const thrown = await run("addon.startSampler(fast); setTimeout(() => { throw new Error('mine'); }, 30);");
    expect(thrown.code).toBe(1);
    expect(thrown.stderr).toContain('mine');
  });

  it('ends when the last environment that asked for it ends', async () => {
    const outcome = await run(`
      const first = worker("addon.startSampler(fast); parentPort.on('message', () => {}); parentPort.postMessage(1);");
      await said(first);
      const second = worker("parentPort.postMessage(addon.startSampler(fast)); parentPort.on('message', () => {});");
      console.log(await said(second), samplerThreads());
      await first.terminate();
      console.log(samplerThreads());
      await second.terminate();
      console.log(samplerThreads());
      console.log(addon.startSampler(fast), samplerThreads());
      addon.stopSampler();
      console.log(samplerThreads());
    `);
    expect(outcome).toEqual(clean('false 1\n1\n0\ntrue 1\n0\n'));
  });

  it('survives workers that are terminated at any moment', async () => {
    const outcome = await run(`
      for (let round = 0; round < 25; round += 1) {
        const workers = [0, 1].map(() => worker(
          "const into = new Float64Array(68); addon.startSampler(fast); for (;;) { addon.read('host', into); if (Math.random() < 1e-4) addon.stopSampler(); if (Math.random() < 1e-4) addon.startSampler(fast); }"));
        if (round % 5 === 0) addon.startSampler(fast);
        await sleep(round * 2);
        await Promise.all(workers.map((thread) => thread.terminate()));
      }
      addon.stopSampler();
      console.log(samplerThreads());
    `);
    expect(outcome).toEqual(clean('0\n'));
  });

  it('survives a process that exits while workers read and sample', async () => {
    const outcome = await run(`
      for (let i = 0; i < 3; i += 1) worker("const into = new Float64Array(68); addon.startSampler(fast); parentPort.postMessage(1); for (;;) addon.read('host', into);");
      await sleep(150);
      process.exit(5);
    `);
    expect(outcome).toEqual({ code: 5, stdout: '', stderr: '' });
  });

  it('shows every reader whole samples', async () => {
    const outcome = await run(`
      addon.startSampler(fast);
      const readers = [0, 1, 2].map(() => worker(\`
        const { samples, observedAtMs, observedUnixMs, processStartUnixMs } = addon.layout().host.fields;
        const into = new Float64Array(68);
        const start = Date.now();
        let last = 0, bad = 0, reads = 0;
        // Longer where the sampler waits for a processor that the readers hold.
        while (Date.now() < start + 800 || (last <= 3 && Date.now() < start + 20_000)) {
          const version = addon.read('host', into);
          // In a fresh process the number of samples is the version, and the two clocks move together.
          if (version < last || into[samples] !== version || !(into[processStartUnixMs] > 0)) bad += 1;
          if (Math.abs((into[observedUnixMs] - into[observedAtMs]) - (Date.now() - addon.now())) > 5000) bad += 1;
          last = version;
          reads += 1;
        }
        parentPort.postMessage({ bad, enough: reads > 100 && last > 3 });
      \`));
      console.log(JSON.stringify(await Promise.all(readers.map(said))));
    `);
    expect(outcome.stderr).toBe('');
    expect(JSON.parse(outcome.stdout)).toEqual(new Array(3).fill({ bad: 0, enough: true }));
  });

  it('is one of each copy of the package in a process', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'inference-health-'));
    const copy = join(folder, 'copy.node');
    copyFileSync(ADDON, copy);
    const outcome = await run(
      `
      const other = require(process.argv[1]);
      console.log(addon.startSampler(fast), other.startSampler(fast), samplerThreads());
      addon.stopSampler();
      console.log(samplerThreads());
    `,
      copy,
    );
    rmSync(folder, { recursive: true });
    expect(outcome).toEqual(clean('true true 2\n1\n'));
  });
});
