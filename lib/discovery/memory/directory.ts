/** The run directory: whoever can write there decides who is registered, so it belongs to one user alone. */
import { lstatSync, mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { InferenceHealthError } from '../../errors.js';

const NAME = 'inference-health';
/** `sun_path` has 108 bytes on Linux with its terminator; 27 are the longest name inside. */
const MAX_BYTES = 80;

/** `$XDG_RUNTIME_DIR/inference-health`, else one of this user's under /tmp. */
export function defaultRunDirectory(environment: Readonly<Record<string, string | undefined>>): string {
  const runtime = environment.XDG_RUNTIME_DIR?.trim() ?? '';
  if (runtime.startsWith('/') && lstatSync(runtime, { throwIfNoEntry: false })?.isDirectory() === true)
    return join(runtime, NAME);
  return `/tmp/${NAME}-${process.geteuid?.() ?? 0}`;
}

/**
 * Makes it where it is missing (mode 0700) and refuses one that others could have made or may write to.
 * @throws InferenceHealthError ERR_CONFIG_INVALID
 */
export function ensureRunDirectory(path: string): void {
  const refuse = (why: string, cause?: unknown): InferenceHealthError =>
    new InferenceHealthError('ERR_CONFIG_INVALID', `run directory ${path}: ${why}`, { cause });
  if (resolve(path) !== path || Buffer.byteLength(path) > MAX_BYTES)
    throw refuse(`expected an absolute path of at most ${MAX_BYTES} bytes`);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw refuse(`expected the directory ${dirname(path)} to exist`, error);
    if (code !== 'EEXIST') throw refuse((error as Error).message, error);
  }
  const info = lstatSync(path, { throwIfNoEntry: false });
  if (info?.isDirectory() !== true || info.uid !== process.geteuid?.() || (info.mode & 0o077) !== 0)
    throw refuse('expected a directory of this user that only this user may enter (mode 0700), no link');
}
