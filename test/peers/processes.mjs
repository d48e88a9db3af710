// The servers of a run and the frontend before them, each a process of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../scripts/lib/free-port.mjs';

const CLI = fileURLToPath(new URL('../../dist/cjs/cli/main.js', import.meta.url));

export async function until(what, check, limitMs = 30_000) {
  const end = performance.now() + limitMs;
  // What is soon is measured well, and what takes minutes not asked for all the time.
  for (let waitMs = 5; ; waitMs = Math.min(200, waitMs * 1.1)) {
    const value = await Promise.resolve(check()).catch(() => null);
    if (value !== null && value !== undefined && value !== false) return value;
    if (performance.now() > end) throw new Error(`${what}: not within ${limitMs / 1000} s`);
    await sleep(waitMs);
  }
}

/** A server that can be killed and comes back at its address. */
export async function createPeer(engine, { python, model, folder, name }) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const log = openSync(join(folder, `${name}.log`), 'a');
  let child = null;
  /** With all that it has started: the engine may be a process of its own. */
  const signal = (name) => child !== null && process.kill(-child.pid, name);
  const isHealthy = async () =>
    (await fetch(`${url}/health`, { signal: AbortSignal.timeout(2000) })).status === 200;
  return {
    url,
    figures: () => engine.figures(url),
    signal,
    async start() {
      child ??= spawn(python, engine.command(model, port), {
        ...{ stdio: ['ignore', log, log], cwd: folder, detached: true },
        env: { ...process.env, ...engine.environment },
      });
      const { pid } = child;
      child.once('exit', (code) => {
        if (child?.pid !== pid) return;
        child = null;
        console.error(`${name} ended by itself, code ${code}: see ${folder}/${name}.log`);
      });
      await until(`${name} listens: see ${folder}/${name}.log`, isHealthy, engine.startLimitMs);
    },
    async kill() {
      if (child === null) return;
      const ended = once(child, 'exit');
      signal('SIGKILL');
      child = null;
      await ended;
    },
  };
}

/** `inference-health frontend`, as a user starts it. */
export async function startFrontend(workers) {
  const args = ['frontend', '--workers', workers.join(), '--http-port', '0'];
  const child = spawn(process.execPath, [CLI, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part) => {
      text += part;
    });
  const url = await until('the frontend listens', () => {
    if (child.exitCode !== null) throw new Error(text);
    return /"url":"(http:[^"]+)"/.exec(text)?.[1];
  }).catch((error) => {
    child.kill('SIGKILL');
    throw new Error(`${error.message}\n${text}`);
  });
  /** URLs of the workers with a figure above 0. */
  async function workersWith(metric) {
    const lines = (await (await fetch(`${url}/metrics`)).text()).split('\n');
    return lines
      .map(
        (line) => new RegExp(`^inference_health_worker_${metric}\\{worker="(.*)"\\} [1-9]`).exec(line)?.[1],
      )
      .filter((worker) => worker !== undefined);
  }
  async function serving() {
    const [there, ejected] = await Promise.all([workersWith('serving'), workersWith('ejected')]);
    return there.filter((worker) => !ejected.includes(worker));
  }
  return {
    url,
    serving,
    serves: (count) => until(`${count} servers are in use`, async () => (await serving()).length === count),
    /** Streams that went on elsewhere so far. */
    async moves() {
      const text = await (await fetch(`${url}/metrics`)).text();
      return [...text.matchAll(/^inference_health_migrations_total\{.*\} (\d+)$/gm)].reduce(
        (sum, [, count]) => sum + Number(count),
        0,
      );
    },
    /** The one that computes the only request; undefined: it is over. */
    busy: async () => (await workersWith('requests_in_flight'))[0],
    async close() {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    },
  };
}
