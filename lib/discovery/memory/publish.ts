/**
 * A registration on one machine: a unix socket that says what is registered to whoever connects, and whose end is the end
 * of the registration, however the process ends.
 */
import { lstatSync, renameSync, unlinkSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { encodeRecord } from '../record.js';
import type { InstanceRecord } from '../types.js';
import { ensureRunDirectory } from './directory.js';

export const SUFFIX = '.sock';
/** How soon a registration is back after somebody has emptied the directory. */
const LOOK_MS = 1000;
/** A reader that takes nothing is dropped rather than remembered. */
const MAX_BEHIND = 1024 * 1024;

export interface Publication {
  /** Its socket is there. */
  readonly isPublished: boolean;
  set(record: InstanceRecord): void;
  close(): void;
}

/** @throws InferenceHealthError ERR_CONFIG_INVALID where the directory cannot be used; Error where it cannot listen */
export async function publish(
  directory: string,
  first: InstanceRecord,
  failed: (error: Error) => void,
): Promise<Publication> {
  const name = first.instanceId.toString(16).padStart(16, '0');
  const path = join(directory, `${name}${SUFFIX}`);
  const readers = new Set<Socket>();
  let record = first;
  let server: Server | null = null;
  let inode = 0;
  let isClosed = false;
  let isStarting = false;
  let hasFailed = false;

  function greet(socket: Socket): void {
    readers.add(socket);
    socket.unref();
    socket.on('error', () => undefined);
    socket.on('close', () => readers.delete(socket));
    socket.resume();
    socket.write(`${encodeRecord(record)}\n`);
  }

  /** Bound under another name: what is public always listens already. */
  async function start(): Promise<void> {
    ensureRunDirectory(directory);
    const hidden = join(directory, `.${name}.${Math.random().toString(36).slice(2, 6)}`);
    const next = createServer(greet);
    await new Promise<void>((resolve, reject) => {
      next.once('error', reject);
      next.listen(hidden, resolve);
    });
    next.unref();
    if (isClosed) {
      next.close();
      return;
    }
    inode = lstatSync(hidden).ino;
    renameSync(hidden, path);
    // Whoever is connected to the one before stays so.
    server?.close();
    server = next;
    hasFailed = false;
  }

  function look(): void {
    if (isStarting || lstatSync(path, { throwIfNoEntry: false })?.ino === inode) return;
    isStarting = true;
    start()
      .catch((error: Error) => {
        if (!hasFailed) failed(error);
        hasFailed = true;
      })
      .finally(() => {
        isStarting = false;
      });
  }

  await start();
  const timer = setInterval(look, LOOK_MS).unref();
  return {
    get isPublished() {
      return !isClosed && lstatSync(path, { throwIfNoEntry: false })?.ino === inode;
    },
    set(next) {
      record = next;
      const line = `${encodeRecord(record)}\n`;
      for (const reader of readers) {
        if (reader.writableLength > MAX_BEHIND) reader.destroy();
        else reader.write(line);
      }
    },
    close() {
      if (isClosed) return;
      isClosed = true;
      clearInterval(timer);
      try {
        if (lstatSync(path, { throwIfNoEntry: false })?.ino === inode) unlinkSync(path);
      } catch {
        // Somebody else has removed it.
      }
      server?.close();
      for (const reader of readers) reader.end();
    },
  };
}
