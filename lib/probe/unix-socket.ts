import { chmodSync, linkSync, lstatSync, renameSync, type Stats, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { basename, dirname, join, resolve } from 'node:path';
import { failureFromErrno, listenFailure } from './listen-failure.js';
import type { ListenFailure, ListenTarget } from './server.js';
import { leaveStartDirectory, takeStartDirectory } from './start-directory.js';

/** `sun_path` has 108 bytes on Linux with its terminator; the name bound first is 7 bytes longer than the public one. */
const MAX_PATH_BYTES = 100;
const CONNECT_TEST_MS = 500;

export interface UnixSocketClaim {
  /** Bind and listen here, then call `publish`. */
  readonly bindPath: string;
  /** Gives the socket its mode and its public name. */
  publish(): ListenFailure | null;
  /** Gives up before `publish`. */
  abandon(): void;
  /** Removes the public name if it still is this socket. Idempotent, never throws. */
  release(): void;
}

export type ClaimResult =
  | { readonly ok: true; readonly claim: UnixSocketClaim }
  | { readonly ok: false; readonly failure: ListenFailure };

/**
 * Reserves a path for a unix socket: free if absent or a dead socket, in use if a live socket or any other file.
 *
 * A worker thread cannot set the umask, so a socket bound at its public name would have a wider mode for a moment.
 * It is bound inside a directory that only this user may enter, and linked to its public name once its mode is right.
 * That directory also is the lock that makes "is it dead? then replace it" one step between our own processes.
 */
export async function claimUnixSocket(target: ListenTarget & { kind: 'unix' }): Promise<ClaimResult> {
  const invalid = validatePath(target);
  if (invalid !== null) return { ok: false, failure: invalid };
  const path = resolve(target.path);
  const startDirectory = join(dirname(path), `.${basename(path)}~`);
  try {
    const refusal = await takeStartDirectory(startDirectory);
    if (refusal !== null) return { ok: false, failure: listenFailure(target, 'ERR_PORT_IN_USE', refusal) };
  } catch (error) {
    return { ok: false, failure: fromError(target, error) };
  }
  // A fresh name each time: libuv unlinks the name it bound when it closes, which must not hit a later start.
  const bindPath = join(startDirectory, Math.random().toString(36).slice(2, 6).padEnd(4, '0'));
  let isLeft = false;
  const abandon = (): void => {
    // Only once: by the second time the directory may be that of another start.
    if (!isLeft) leaveStartDirectory(startDirectory, bindPath);
    isLeft = true;
  };
  try {
    const occupant = await inspect(path);
    if (occupant.state === 'taken') {
      abandon();
      return { ok: false, failure: listenFailure(target, 'ERR_PORT_IN_USE', occupant.reason) };
    }
    return { ok: true, claim: claimOf(target, path, bindPath, occupant.dead, abandon) };
  } catch (error) {
    abandon();
    return { ok: false, failure: fromError(target, error) };
  }
}

function validatePath(target: ListenTarget & { kind: 'unix' }): ListenFailure | null {
  const path = resolve(target.path);
  if (target.path === '' || target.path.includes('\0') || target.path.endsWith('/')) {
    return listenFailure(
      target,
      'ERR_HOST_INVALID',
      'expected the path of a file in a directory that exists.',
    );
  }
  const bytes = Buffer.byteLength(path);
  if (bytes <= MAX_PATH_BYTES) return null;
  return listenFailure(
    target,
    'ERR_HOST_INVALID',
    `expected a path of at most ${MAX_PATH_BYTES} bytes, got ${bytes} (the system's limit is 108, and the socket is bound under a longer name first). Choose a shorter directory, such as /run.`,
  );
}

function claimOf(
  target: ListenTarget & { kind: 'unix' },
  path: string,
  bindPath: string,
  dead: Stats | null,
  abandon: () => void,
): UnixSocketClaim {
  let own: Stats | null = null;
  return {
    bindPath,
    abandon,
    publish() {
      try {
        chmodSync(bindPath, target.mode);
        own = lstatSync(bindPath);
        if (dead !== null && isSameFile(path, dead)) unlinkSync(path);
        moveWithoutOverwriting(bindPath, path);
        return null;
      } catch (error) {
        own = null;
        return fromError(target, error);
      } finally {
        abandon();
      }
    },
    release() {
      try {
        if (own !== null && isSameFile(path, own)) unlinkSync(path);
      } catch {
        // Another process removed it first.
      }
      own = null;
    },
  };
}

type Occupant =
  | { readonly state: 'free'; readonly dead: Stats | null }
  | { readonly state: 'taken'; readonly reason: string };

async function inspect(path: string): Promise<Occupant> {
  const info = lstatSync(path, { throwIfNoEntry: false });
  if (info === undefined) return { state: 'free', dead: null };
  if (!info.isSocket()) {
    return {
      state: 'taken',
      reason:
        'expected a free path, but a file that is not a socket is there. Choose another path, or remove it.',
    };
  }
  const errno = await connectTest(path);
  if (errno === 'ECONNREFUSED') return { state: 'free', dead: info };
  if (errno === 'ENOENT') return { state: 'free', dead: null };
  return {
    state: 'taken',
    reason: `expected a free path, but a live socket is there${errno === null ? '' : ` (${errno})`}. Choose another path, or stop its owner: \`ss -lxp src '${path}'\` shows it.`,
  };
}

/** Resolves with null when something accepts, else with the errno; no answer in time counts as alive. */
function connectTest(path: string): Promise<string | null> {
  return new Promise((settle) => {
    const socket = connect({ path });
    const finish = (errno: string | null) => {
      settle(errno);
      // Whoever lives there is left gently: it may be about to write.
      socket.resume();
      socket.end();
    };
    const timer = setTimeout(() => {
      finish('ETIMEDOUT');
      socket.destroy();
    }, CONNECT_TEST_MS);
    socket.once('connect', () => finish(null));
    socket.once('close', () => clearTimeout(timer));
    socket.on('error', (error) => finish(errnoOf(error) ?? error.message));
  });
}

function moveWithoutOverwriting(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') throw error;
    // A file system without hard links: the start directory still keeps our own processes apart.
    renameSync(from, to);
  }
}

function isSameFile(path: string, known: Stats): boolean {
  const info = lstatSync(path, { throwIfNoEntry: false });
  return info !== undefined && info.ino === known.ino && info.dev === known.dev;
}

function errnoOf(error: unknown): string | undefined {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return typeof code === 'string' ? code : undefined;
}

function fromError(target: ListenTarget, error: unknown): ListenFailure {
  return failureFromErrno(target, errnoOf(error), error instanceof Error ? error.message : String(error));
}
