import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { REASON } from '../layout.js';
import { type Fact, fact, noFact, type Reason } from './fact.js';

/** Shared by all files of a thread: reads are synchronous and their text is taken out at once. */
const buffer = Buffer.allocUnsafeSlow(256 * 1024);

export type KeptFile = ReturnType<typeof createKeptFile>;

export function reasonOf(error: unknown): Exclude<Reason, typeof REASON.ok> {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (['ENOENT', 'ENOTDIR', 'ENODEV', 'ENAMETOOLONG'].includes(code)) return REASON.missing;
  if (['EACCES', 'EPERM'].includes(code)) return REASON.permission;
  if (['EOPNOTSUPP', 'ENOTSUP', 'ENOSYS'].includes(code)) return REASON.unsupported;
  return REASON.ioError;
}

/** A file that is opened once and read from its start again and again; opened anew when the descriptor is stale. */
export function createKeptFile(path: string) {
  let fd = -1;

  function close(): void {
    try {
      if (fd >= 0) closeSync(fd);
    } catch {
      // Somebody else closed it.
    }
    fd = -1;
  }

  function readOnce(): string {
    if (fd < 0) fd = openSync(path, 'r');
    else if (fstatSync(fd).nlink === 0) {
      close();
      fd = openSync(path, 'r');
    }
    return buffer.toString('utf8', 0, readSync(fd, buffer, 0, buffer.length, 0));
  }

  return {
    read(): Fact<string> {
      for (let isSecond = fd < 0; ; isSecond = true) {
        try {
          const text = readOnce();
          if (text !== '') return fact(text);
          close();
          if (isSecond) return noFact(REASON.malformed);
        } catch (error) {
          close();
          if (isSecond) return noFact(reasonOf(error));
        }
      }
    },
    close,
  };
}
