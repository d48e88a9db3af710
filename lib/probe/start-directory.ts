import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmdirSync,
  type Stats,
  unlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A start holds its directory for milliseconds; one this old was left by a crash. */
const STALE_START_MS = 2_000;
const RETRY_MS = 50;

/**
 * Makes the private directory of a start and returns null; else why it cannot be had, as the rest of a message. What
 * already has that name is waited for and cleaned up only if it can be nothing but the leftover of a start of this user.
 *
 * Nothing is ever deleted with what is inside it: where others may create files, they may also have made this directory,
 * and could exchange what is in it for links to files of this user between a look and a deletion.
 */
export async function takeStartDirectory(directory: string): Promise<string | null> {
  for (let attempt = 0; attempt < (2 * STALE_START_MS) / RETRY_MS; attempt += 1) {
    try {
      mkdirSync(directory, { mode: 0o700 });
      return null;
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error;
    }
    const refusal = removeIfStale(directory);
    if (refusal !== null) return `expected to make ${directory} while the socket is set up, but ${refusal}.`;
    await sleep(RETRY_MS);
  }
  return `expected to make ${directory} while the socket is set up, but another start holds it. Choose another path, or stop that process.`;
}

/** Removes the socket's first name and its directory. Never throws: what cannot be removed is left to the next start. */
export function leaveStartDirectory(directory: string, bindPath: string): void {
  try {
    unlinkIfPresent(bindPath);
    rmdirSync(directory);
  } catch {
    // As above.
  }
}

/** Null: it is gone, or in use by a start of this user; else why it stays. */
function removeIfStale(directory: string): string | null {
  const info = lstatSync(directory, { throwIfNoEntry: false });
  if (info === undefined) return null;
  if (!isPrivate(info))
    return 'what is there is not a directory of this user that only this user may enter. Choose another path, or remove it';
  if (Date.now() - info.mtimeMs < STALE_START_MS) return null;
  try {
    const files = emptyOfSockets(directory);
    if (files.length > 0)
      return `it holds ${JSON.stringify(files[0])}, which no start left there. Choose another path, or remove it`;
    rmdirSync(directory);
    return null;
  } catch (error) {
    // Another start cleaned it up first: it is gone, or it already is that start's own.
    const isLost = lstatSync(directory, { throwIfNoEntry: false })?.ino !== info.ino;
    if (isLost || hasCode(error, 'ENOTEMPTY')) return null;
    return `it cannot be cleaned up (${error instanceof Error ? error.message : String(error)}). Choose another path, or remove it`;
  }
}

/** Unlinks what starts leave behind; if anything else is inside, only returns its names. */
function emptyOfSockets(directory: string): readonly string[] {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    if (!isPrivate(fstatSync(fd))) throw new Error('it was exchanged');
    // Through the descriptor, so that all this happens in the directory that was looked at.
    const inside = process.platform === 'linux' ? `/proc/self/fd/${fd}` : directory;
    const names = readdirSync(inside);
    const others = names.filter((name) => {
      const info = lstatSync(join(inside, name), { throwIfNoEntry: false });
      return info !== undefined && !info.isSocket();
    });
    if (others.length === 0) for (const name of names) unlinkIfPresent(join(inside, name));
    return others;
  } finally {
    closeSync(fd);
  }
}

/** Nobody but this user can have put anything into it. */
function isPrivate(info: Stats): boolean {
  return info.isDirectory() && info.uid === process.geteuid?.() && (info.mode & 0o077) === 0;
}

function unlinkIfPresent(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException | null)?.code === code;
}
