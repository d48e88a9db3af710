import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runScenario, startFleet } from '../../dist/cjs/testing/index.js';
import { ROOT, until } from '../helpers/package.js';

const isAlive = (pid: number): boolean => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

it('a run strikes, checks every text, and gives figures with bounds', async () => {
  const { holds, figures, checks, log } = await runScenario({
    fleet: { workers: 2, worker: { tokenMs: 5 } },
    load: { streams: 6, tokens: 80 },
    faults: [
      { atMs: 300, fault: 'sigkill', target: 'busiest-worker' },
      { atMs: 1500, fault: 'tcp-reset', target: 'every-worker' },
    ],
    forMs: 2000,
    bounds: { streams: 6, moved: 2, differed: 0, failed: 0, rejectedWithoutRetryAfter: 0, strayExits: 0 },
  });
  expect(checks.filter((check) => !check.holds)).toEqual([]);
  expect(holds).toBe(true);
  expect(figures.faults).toEqual({ sigkill: 1, 'tcp-reset': 1 });
  expect(figures.detectionMs.sigkill?.count).toBeGreaterThan(0);
  expect(log).toMatch(/fault +sigkill worker-\d\n[\s\S]*stream moves from=worker-\d outcome=reset/);
});

it('a text that is another one, and a bound that is not met, are told', async () => {
  const { holds, figures, text } = await runScenario(
    {
      fleet: { workers: 1 },
      load: { streams: 1, prompts: 1, tokens: 20 },
      forMs: 500,
      bounds: { differed: 0 },
    },
    {},
  );
  expect([holds, figures.differed]).toEqual([true, 0]);
  expect(text).toContain('holds  differed 0, at most 0');
  const strict = await runScenario({
    fleet: { workers: 1, restartDelayMs: 300 },
    load: { perSecond: 20, tokens: 2 },
    faults: [{ atMs: 200, fault: 'sigkill', target: 'worker-0' }],
    forMs: 1500,
    bounds: { rejected: 0, rejectedWithoutRetryAfter: 0 },
  });
  expect(strict.holds).toBe(false);
  expect(strict.checks.map(({ name, holds: isMet }) => [name, isMet])).toEqual([
    ['rejected', false],
    ['rejectedWithoutRetryAfter', true],
  ]);
});

it('a fleet ends with its owner, even one that is killed, and leaves no process and no folder', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'inference-health-orphans-'));
  const source = `
    const { startFleet } = require('./dist/cjs/testing/index.js');
    startFleet({ workers: 1, nats: true }).then(({ workers, frontends, nats }) => {
      workers[0].process.signal('SIGSTOP');
      console.log(JSON.stringify([...workers, ...frontends, nats].map(({ process }) => process.pid)));
    });`;
  const owner = spawn(process.execPath, ['-e', source], {
    cwd: ROOT,
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(owner.stdout, 'data')) as [Buffer];
  const pids = JSON.parse(String(line)) as number[];
  expect(pids.map(isAlive)).toEqual([true, true, true]);
  expect(readdirSync(folder)).toHaveLength(1);
  owner.kill('SIGKILL');
  await until(() => !pids.some(isAlive) && readdirSync(folder).length === 0);
  rmSync(folder, { recursive: true });
});

it('a fleet that does not come up says why, and leaves nothing behind', async () => {
  const failing = startFleet({
    workers: [{ name: 'wrong', command: ['sh', '-c', 'echo no such model >&2; exit 3'] }],
  });
  await expect(failing).rejects.toThrow(/wrong ended with 3 before it served:\nno such model/);
  await expect(startFleet({ workers: 1, frontend: { args: ['--nonsense'] } })).rejects.toThrow(/--nonsense/);
});

it('any program can be a worker', async () => {
  const command = [process.execPath, join(ROOT, 'dist/cjs/testing/toy-worker.js'), '{name}', '{port}', '1'];
  await using fleet = await startFleet({ workers: [{ name: 'mine', command }], frontends: 2 });
  expect(await fleet.routable()).toEqual(['mine']);
  expect(existsSync(`/proc/${fleet.workers[0]?.process?.pid}`)).toBe(true);
});
