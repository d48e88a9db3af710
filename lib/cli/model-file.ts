import { closeSync, openSync, readSync } from 'node:fs';
import { InferenceHealthError } from '../errors.js';
import { UsageError } from './flags.js';

/** What a model file begins with. */
const GGUF = 'GGUF';

/**
 * Looked at before anything is started: a wrong path is no state of health.
 * @throws UsageError without a path, InferenceHealthError ERR_CONFIG_INVALID for one that is no model
 */
export function modelFile(path: string | undefined): string {
  if (path === undefined) throw new UsageError('--model: expected the path of a GGUF file');
  const head = Buffer.alloc(GGUF.length);
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    readSync(file, head, 0, head.length, 0);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const received = code === 'ENOENT' ? `there is no ${path}` : `${path} cannot be read (${code})`;
    throw new InferenceHealthError('ERR_CONFIG_INVALID', `--model: expected a GGUF file, but ${received}`);
  } finally {
    if (file !== undefined) closeSync(file);
  }
  if (head.toString('latin1') !== GGUF)
    throw new InferenceHealthError('ERR_CONFIG_INVALID', `--model: expected a GGUF file, ${path} is none`);
  return path;
}
