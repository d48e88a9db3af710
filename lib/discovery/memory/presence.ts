/** Who is registered on this machine: one connection to each socket in the run directory, for as long as it lasts. */
import { type FSWatcher, lstatSync, readdirSync, unlinkSync, watch } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createLineSplitter } from '../../wire/lines.js';
import { decodeRecord } from '../record.js';
import type { Listing, Source, SourceEvents, SourceItem } from '../source.js';
import { ensureRunDirectory } from './directory.js';
import { SUFFIX } from './publish.js';

/** A change of the directory is told by the kernel; this is for where it is not. */
const LOOK_MS = 1000;
/** A list waits so long for workers that accept and say nothing, as stopped ones do. */
const GREET_MS = 300;
/** A start binds its socket for milliseconds before it gives it its name; one this old was left by a crash. */
const STALE_MS = 10_000;

interface Peer {
  readonly socket: Socket;
  item: SourceItem | null;
}

export function createPresence(
  directory: string,
  log: (fields: object, message: string) => void,
): Source & { close(): void } {
  const peers = new Map<string, Peer>();
  const waiters = new Set<() => void>();
  let revision = 0;
  let listener: { events(events: SourceEvents): void; lost(error: Error): void } | null = null;
  let watcher: FSWatcher | null = null;
  let watched = 0;
  let isClosed = false;

  function tell(puts: readonly SourceItem[], deletes: readonly string[]): void {
    listener?.events({ revision, puts, deletes });
  }

  function settle(): void {
    for (const wake of waiters) wake();
  }

  function meet(name: string): void {
    const socket = connect({ path: join(directory, name) });
    const peer: Peer = { socket, item: null };
    peers.set(name, peer);
    socket.unref();
    const split = createLineSplitter((line) => {
      const record = decodeRecord(line);
      revision += 1;
      peer.item = { key: name, record, revision };
      tell([peer.item], []);
      settle();
    });
    socket.on('data', (chunk: Buffer) => {
      try {
        split(chunk);
      } catch (error) {
        log({ socket: name, error: (error as Error).message }, 'a registration that cannot be read');
        socket.destroy();
      }
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // Nobody has listened there since a crash.
      if (error.code === 'ECONNREFUSED') remove(name);
    });
    socket.on('close', () => {
      if (peers.get(name) !== peer) return;
      peers.delete(name);
      if (peer.item !== null && !isClosed) {
        revision += 1;
        tell([], [name]);
      }
      settle();
    });
  }

  function remove(name: string): void {
    try {
      unlinkSync(join(directory, name));
    } catch {
      // Another one was faster.
    }
  }

  /** @throws where the directory cannot be used */
  function look(): void {
    ensureRunDirectory(directory);
    follow();
    for (const name of readdirSync(directory)) {
      if (name.endsWith(SUFFIX) && !name.startsWith('.')) {
        if (!peers.has(name)) meet(name);
      } else if (name.startsWith('.')) removeStale(name);
    }
  }

  function removeStale(name: string): void {
    const info = lstatSync(join(directory, name), { throwIfNoEntry: false });
    if (info?.isSocket() === true && Date.now() - info.mtimeMs > STALE_MS) remove(name);
  }

  function follow(): void {
    const { ino } = lstatSync(directory);
    if (watcher !== null && watched === ino) return;
    watcher?.close();
    watched = ino;
    try {
      watcher = watch(directory, { persistent: false }, lookSoon);
      watcher.on('error', () => {
        watcher = null;
      });
    } catch {
      // No inotify watches left: the timer looks.
      watcher = null;
    }
  }

  let soon: NodeJS.Immediate | null = null;
  function lookSoon(): void {
    soon ??= setImmediate(() => {
      soon = null;
      if (listener === null) return;
      try {
        look();
      } catch (error) {
        const { lost } = listener;
        listener = null;
        lost(error as Error);
      }
    });
  }
  const timer = setInterval(lookSoon, LOOK_MS).unref();

  /** Until all that were met have said who they are, or have had their time. */
  function greeted(): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(limit);
        waiters.delete(check);
        resolve();
      };
      const check = (): void => {
        if ([...peers.values()].every(({ item }) => item !== null)) finish();
      };
      const limit = setTimeout(finish, GREET_MS).unref();
      waiters.add(check);
      check();
    });
  }

  return {
    name: directory,
    async list(): Promise<Listing> {
      look();
      await greeted();
      const items = [...peers.values()].flatMap(({ item }) => (item === null ? [] : [item]));
      return { store: directory, revision, items };
    },
    watch(from, on) {
      if (from === revision) listener = on;
      else queueMicrotask(() => on.lost(new Error('changed while it was listed')));
      return {
        close() {
          if (listener === on) listener = null;
        },
      };
    },
    close() {
      isClosed = true;
      clearInterval(timer);
      if (soon !== null) clearImmediate(soon);
      listener = null;
      watcher?.close();
      for (const { socket } of peers.values()) socket.destroy();
    },
  };
}
