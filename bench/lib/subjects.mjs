// Everything that is measured as a server, under the same keys in every file here.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from '../../scripts/lib/free-port.mjs';
import { tool } from './native.mjs';
import { root } from './paths.mjs';

const node = (file, options = {}) => ({
  file: join(root, 'bench', 'subjects', file),
  path: '/health/live',
  options,
});

export const subjects = {
  epoll: { title: 'bare epoll (C++)', path: '/health/live' },
  uws: { title: 'inference-health, uWebSockets.js', ...node('inference-health.cjs', { engine: 'uws' }) },
  http: { title: 'inference-health, node:http', ...node('inference-health.cjs', { engine: 'http' }) },
  'node-http-worker': { title: 'node:http in a worker', ...node('node-http-worker.cjs') },
  'node-http': { title: 'node:http on the main thread', ...node('node-http.cjs') },
  terminus: { title: '@godaddy/terminus', isPeer: true, ...node('terminus.cjs') },
  'under-pressure': { title: '@fastify/under-pressure', isPeer: true, ...node('under-pressure.cjs') },
  lightship: { title: 'lightship', isPeer: true, needsPort: true, ...node('lightship.mjs'), path: '/live' },
};

const START_DEADLINE_MS = 15_000;

/**
 * Starts a subject in a fresh process and waits until it serves.
 * `reply`: file with the bytes that the epoll responder sends. `cgroup`: file to which the process writes its id first.
 */
export async function startSubject(name, { busy = 0, reply, cgroup, execArgv = [], ...options } = {}) {
  const subject = subjects[name];
  if (subject.needsPort) options.port ??= await freePort();
  const command =
    name === 'epoll'
      ? [tool('responder'), '--reply', reply, '--busy', String(busy)]
      : [
          process.execPath,
          ...execArgv,
          subject.file,
          JSON.stringify({ busy, ...subject.options, ...options }),
        ];
  return launch(name, subject.path, cgroup === undefined ? command : insideCgroup(cgroup, command));
}

/** Starts any program that prints `{"port": …}` or another line of JSON when it is ready. */
export async function launch(name, path, [program, ...args], { deadlineMs = START_DEADLINE_MS } = {}) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: root });
  let errors = '';
  child.stderr.on('data', (chunk) => {
    errors = (errors + chunk).slice(-2000);
  });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout });
  const deadline = AbortSignal.timeout(deadlineMs);
  const first = await Promise.race([
    once(lines, 'line', { signal: deadline }).then(([line]) => JSON.parse(line)),
    exited.then(([code, signal]) =>
      Promise.reject(new Error(`${name} ended with ${code ?? signal}: ${errors}`)),
    ),
  ]).catch((cause) => {
    child.kill('SIGKILL');
    throw deadline.aborted ? new Error(`${name} did not serve within ${deadlineMs} ms: ${errors}`) : cause;
  });
  return {
    name,
    path,
    pid: child.pid,
    ...first,
    lines,
    errors: () => errors,
    // SIGKILL, because a blocked main thread hears nothing else.
    async stop() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

function insideCgroup(file, command) {
  return ['/bin/sh', '-c', `echo $$ > "$0" && exec "$@"`, file, ...command];
}
