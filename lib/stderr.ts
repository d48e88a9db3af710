import { writeSync } from 'node:fs';

/**
 * One line on standard error, at once, from any thread: a worker's console prints only once the main thread turns again,
 * and the last words of a dying process must arrive. Never throws: whoever read it may be gone (EPIPE), or be slow on a
 * non-blocking pipe (EAGAIN), and neither is a reason to stop answering probes.
 */
export function writeStderr(line: string): void {
  try {
    writeSync(2, `${line}\n`);
  } catch {
    // Nowhere to say it.
  }
}
