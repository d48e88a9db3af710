import cluster from 'node:cluster';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { HealthOptions } from '../config/options.js';
import { startWith } from '../lifecycle/start.js';
import { urlOf } from '../probe/listener-url.js';
import { isLauncher, OWNER, ownerMark, whyNotHere } from './inheritance.js';
import { createRegisterLog } from './log.js';
import { say } from './say.js';

const NOWHERE =
  'health answers on no port, since DYN_SYSTEM_PORT or DYN_SYSTEM_ENABLED turns its server off; INFERENCE_HEALTH_PORT gives it one';

/**
 * Starts health for this process from its environment and counts every node:http request, unless health belongs
 * elsewhere: a child of a process that serves it, and a cluster worker, only with a port of their own. Whatever goes
 * wrong, the application starts: a line on standard error says it, as it says where health listens, and no exit code does.
 */
export function register(): void {
  if (isLauncher(process.argv[1]) || isOwnCommand(process.argv[1])) return;
  const reason = whyNotHere(process.env, {
    pid: process.pid,
    isClusterWorker: cluster.isWorker,
    isAlive,
  });
  if (reason !== null) {
    say(reason);
    return;
  }
  process.env[OWNER] = ownerMark(process.pid, process.env);
  startWith(options(), { countHttp: true, yieldsExit: true }).then(
    ({ listeners }) => say(listeners.length === 0 ? NOWHERE : `health on ${listeners.map(urlOf).join(', ')}`),
    (error: unknown) => {
      delete process.env[OWNER];
      const why = (error instanceof Error ? error.message : String(error)).replace(/\.$/, '');
      say(`not started: ${why}; the application runs without it`);
    },
  );
}

/** As for `serve`: signals drain, unless the environment says otherwise. */
function options(): HealthOptions {
  const isTold = (process.env.INFERENCE_HEALTH_SHUTDOWN ?? '').trim() !== '';
  const logger = createRegisterLog(say);
  return isTold ? { logger } : { logger, shutdown: true };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** `node dist/cjs/cli/main.js`, as our own start script has it. */
function isOwnCommand(entry: string | undefined): boolean {
  try {
    return entry !== undefined && realpathSync(entry) === join(__dirname, '..', 'cli', 'main.js');
  } catch {
    return false;
  }
}
