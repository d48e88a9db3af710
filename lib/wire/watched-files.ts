import { statSync } from 'node:fs';

/** A look costs a stat a file. */
const EVERY_MS = 2000;

/**
 * Calls `changed` after any of the files was replaced or written. By looking, not by events of the file system: those miss
 * what is swapped behind a link. Does not keep the process alive.
 */
export function watchFiles(
  paths: readonly string[],
  changed: () => void,
  everyMs = EVERY_MS,
): { close(): void } {
  if (paths.length === 0) return { close: () => undefined };
  let before = signature(paths);
  const timer = setInterval(() => {
    const now = signature(paths);
    if (now === before) return;
    before = now;
    changed();
  }, everyMs).unref();
  return { close: () => clearInterval(timer) };
}

function signature(paths: readonly string[]): string {
  return paths
    .map((path) => {
      const info = statSync(path, { throwIfNoEntry: false });
      return info === undefined ? 'none' : `${info.ino}:${info.size}:${info.mtimeMs}`;
    })
    .join();
}
