import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { REASON } from '../layout.js';
import { type Fact, fact, noFact, type Reason } from './fact.js';

/** Shared by all files of a thread: reads are synchronous and their text is taken out at once. */
const buffer = Buffer.allocUnsafeSlow(256 * 1024);
/** What is found below a root that someone else made may be a FIFO, whose opening waits for a writer. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
/** Mount lists are far shorter; such a file may also have no end. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;

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
    if (fd < 0) fd = openSync(path, FLAGS);
    else if (fstatSync(fd).nlink === 0) {
      close();
      fd = openSync(path, FLAGS);
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

/** A file that is longer than what is kept of the others, up to 4 MiB of it. */
export function readLongFile(path: string): Fact<string> {
  let fd = -1;
  try {
    fd = openSync(path, FLAGS);
    const parts: Buffer[] = [];
    for (let offset = 0; offset < MAX_FILE_BYTES; ) {
      const length = readSync(fd, buffer, 0, buffer.length, offset);
      if (length === 0) break;
      parts.push(Buffer.from(buffer.subarray(0, length)));
      offset += length;
    }
    return fact(Buffer.concat(parts).toString('utf8'));
  } catch (error) {
    return noFact(reasonOf(error));
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}
