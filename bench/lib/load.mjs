// Runs the load generator; each call is one process and one JSON answer.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { tool } from './native.mjs';

const run = promisify(execFile);

async function json(name, options) {
  const args = Object.entries(options).flatMap(([key, value]) =>
    value === undefined ? [] : [`--${key}`, String(value)],
  );
  const { stdout } = await run(tool(name), args);
  return JSON.parse(stdout);
}

const at = (subject, path) => ({ port: subject.port, path: path ?? subject.path, pid: subject.pid });

/** `rate` probes a second, each due at its time whatever the server does; latencies in microseconds from then. */
export function openLoop(subject, { rate, seconds, path, ...rest }) {
  return json('loadgen', { mode: 'open', ...at(subject, path), rate, seconds, ...rest });
}

/** Kept-alive connections as fast as they go, with what a request costs the server in CPU (all its threads). */
export async function closedLoop(subject, { connections = 64, seconds, warmup = 0.5, path, ...rest }) {
  const result = await json('loadgen', {
    mode: 'closed',
    ...at(subject, path),
    connections,
    seconds,
    warmup,
    ...rest,
  });
  return {
    ...result,
    perSecond: result.answered / result.seconds,
    cpuUs: (result.serverCpuMs * 1000) / result.answered,
  };
}

/** Knocks from now on until the first answer; its time on CLOCK_MONOTONIC, as process.hrtime counts. */
export function firstAnswer(port, { path = '/livez', timeoutMs = 15_000 } = {}) {
  return json('loadgen', { mode: 'first', port, path, 'timeout-ms': timeoutMs });
}

/** CPU milliseconds that a process uses in `seconds`. */
export function cpuTime(pid, seconds) {
  return json('cputime', { pid, seconds });
}
