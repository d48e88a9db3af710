import { execFile } from 'node:child_process';
import { ROOT } from '../helpers/package.js';

const LIMIT_MS = 100_000;

/** Runs a script of this repository to its end; a hang is a failure, not a stuck suite. */
export function runScript(
  args: readonly string[],
): Promise<{ readonly code: number | string | null; readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: ROOT, timeout: LIMIT_MS }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : (error.code ?? error.signal ?? null), stdout, stderr });
    });
  });
}
