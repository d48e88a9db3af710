import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Newest modification time in ms of a file or of everything in a folder; folders named in `except` do not count. */
export function newest(path, except = []) {
  const info = statSync(path);
  if (!info.isDirectory()) return info.mtimeMs;
  const names = readdirSync(path).filter((name) => !except.includes(name));
  return Math.max(info.mtimeMs, ...names.map((name) => newest(join(path, name), except)));
}
