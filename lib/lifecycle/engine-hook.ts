import type { ChildProcess } from 'node:child_process';
import type { ShutdownHooks } from './shutdown-hooks.js';

/**
 * A built-in hook: an engine process that is watched ends with this one, by SIGTERM and, when its time is over, SIGKILL.
 * Without it the engine would go on, with the GPU's memory, after the process that served it.
 */
export function endWithProcess(hooks: ShutdownHooks, child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const name = `engine-${child.pid}`;
  if (hooks.has(name)) return;
  const hook = hooks.add(name, child, {}, true);
  child.once('exit', hook.remove);
}
