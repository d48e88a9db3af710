import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { invalid } from './values.js';

/** More than any token or test request has. */
const MOST_BYTES = 1024 * 1024;

/** Text of a regular file of at most 1 MiB. Throws ERR_CONFIG_INVALID that names `where`. */
export function readSmallFile(where: string, path: string): string {
  let file: number | null = null;
  try {
    // Non-blocking: opening a FIFO would wait for a writer. Links are followed: that is how Kubernetes mounts secrets.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const info = fstatSync(file);
    if (!info.isFile() || info.size > MOST_BYTES)
      throw invalid(where, 'a regular file of at most 1 MiB', path);
    const bytes = Buffer.alloc(info.size);
    return bytes.toString('utf8', 0, readSync(file, bytes, 0, bytes.length, 0));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ERR_CONFIG_INVALID') throw error;
    throw invalid(where, `a readable file (${code ?? String(error)})`, path);
  } finally {
    if (file !== null) closeSync(file);
  }
}
