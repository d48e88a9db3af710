import { writeSync } from 'node:fs';

/** One line on standard error, at once and from any thread. The application did not ask for output: only what it must know. */
export function say(message: string): void {
  try {
    writeSync(2, `inference-health: ${message}\n`);
  } catch {
    // Standard error may be closed, or full and non-blocking: no reason to disturb the application.
  }
}
