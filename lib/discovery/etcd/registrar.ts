/** The main thread's side of the thread that keeps registrations. */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { InferenceHealthError } from '../../errors.js';
import type { LeaseStatus } from '../../fleet/lease-keeper.js';
import type { EtcdSettings } from '../settings.js';
import type { StoredRecord } from './lease-store.js';
import {
  MAX_REGISTRATIONS,
  type ThreadData,
  type ThreadReply,
  type ThreadRequest,
} from './thread-protocol.js';

export interface KeptRecords {
  readonly status: LeaseStatus;
  set(records: readonly StoredRecord[]): void;
  stop(): Promise<void>;
}

export interface Registrar {
  /** @throws InferenceHealthError ERR_CONFIG_INVALID after 64 of them */
  keep(records: readonly StoredRecord[], incarnation: string, progress: () => number): KeptRecords;
  close(): Promise<void>;
}

interface Kept {
  records: readonly StoredRecord[];
  readonly incarnation: string;
  readonly progress: () => number;
  status: LeaseStatus;
  stopped: () => void;
}

const PROGRESS_MS = 1000;
/** A store that does not answer is not waited for: the lease ends what it cannot be told. */
const STOP_MS = 1000;
const RESTART_MS = 1000;

export function createRegistrar(
  settings: EtcdSettings,
  log: (fields: object, message: string) => void,
): Registrar {
  const progress = new SharedArrayBuffer(4 * MAX_REGISTRATIONS);
  const counters = new Int32Array(progress);
  const kept = new Map<number, Kept>();
  let thread: Worker | null = null;
  let timer: NodeJS.Timeout | null = null;
  let isClosed = false;

  const post = (request: ThreadRequest): void => thread?.postMessage(request);

  function start(): void {
    if (isClosed || thread !== null || kept.size === 0) return;
    const workerData: ThreadData = { settings, progress };
    const started = new Worker(join(__dirname, 'thread.js'), {
      execArgv: [],
      env: {},
      workerData,
      name: 'inference-health-discovery',
    });
    thread = started;
    let cause = '';
    started.on('message', receive);
    started.on('error', (error: Error) => {
      cause = error.message;
    });
    started.on('exit', (code) => {
      if (thread !== started) return;
      thread = null;
      if (isClosed) return;
      for (const each of kept.values()) each.status = 'lost';
      log({ error: cause || `exit code ${code}` }, 'the discovery thread died, and is started again');
      setTimeout(start, RESTART_MS).unref();
    });
    started.unref();
    for (const [id, { records, incarnation }] of kept) post({ kind: 'register', id, records, incarnation });
  }

  function receive(reply: ThreadReply): void {
    if (reply.kind === 'log') {
      log(reply.fields, reply.message);
      return;
    }
    const own = kept.get(reply.id);
    if (own === undefined) return;
    if (reply.kind === 'stopped') own.stopped();
    else {
      own.status = reply.status;
      if (reply.status === 'lost') log({}, 'registration lost: the worker serves on, and registers again');
      if (reply.status === 'withheld') log({}, 'registration withheld: the engine stands still');
    }
  }

  function move(): void {
    for (const [id, { progress: count }] of kept) {
      try {
        Atomics.store(counters, id, count() | 0);
      } catch {
        // An engine that cannot say how it is has not moved.
      }
    }
  }

  async function stop(id: number): Promise<void> {
    const own = kept.get(id);
    if (own === undefined || own.status === 'stopped') return;
    own.status = 'stopped';
    await new Promise<void>((resolve) => {
      const limit = setTimeout(resolve, STOP_MS);
      own.stopped = () => {
        clearTimeout(limit);
        resolve();
      };
      if (thread === null) own.stopped();
      else post({ kind: 'stop', id });
    });
    kept.delete(id);
  }

  return {
    keep(records, incarnation, count) {
      let id = 0;
      while (kept.has(id)) id += 1;
      if (id >= MAX_REGISTRATIONS)
        throw new InferenceHealthError(
          'ERR_CONFIG_INVALID',
          `discovery: expected at most ${MAX_REGISTRATIONS} registrations of one process`,
        );
      const own: Kept = {
        records,
        incarnation,
        progress: count,
        status: 'starting',
        stopped: () => undefined,
      };
      kept.set(id, own);
      timer ??= setInterval(move, PROGRESS_MS).unref();
      move();
      if (thread === null) start();
      else post({ kind: 'register', id, records, incarnation });
      return {
        get status() {
          return own.status;
        },
        set(changed) {
          own.records = changed;
          post({ kind: 'records', id, records: changed });
        },
        stop: () => stop(id),
      };
    },
    async close() {
      await Promise.all([...kept.keys()].map(stop));
      isClosed = true;
      if (timer !== null) clearInterval(timer);
      await thread?.terminate();
    },
  };
}
