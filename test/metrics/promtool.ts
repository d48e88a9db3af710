import { spawnSync } from 'node:child_process';

/** Runs `promtool check metrics` on a text: null when it has nothing to say, else what it says. */
export function promtoolComplaint(text: string): string | null {
  const result = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
  if (result.error !== undefined) {
    throw new Error(
      `promtool did not start (${result.error.message}). Install it: apt-get install prometheus`,
    );
  }
  const said = `${result.stdout}${result.stderr}`.trim();
  return result.status === 0 && said === '' ? null : `exit ${result.status}: ${said}`;
}
