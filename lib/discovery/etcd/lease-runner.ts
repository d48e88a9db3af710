/** Runs the lease keeper against etcd. It belongs on a thread that nothing of the application's can block. */
import {
  initialLease,
  type LeaseEffect,
  type LeaseEvent,
  type LeaseStatus,
  leaseTimerMs,
  stepLease,
} from '../../fleet/lease-keeper.js';
import { monoMs } from '../../native/clock.js';
import { createTrouble } from '../trouble.js';
import type { EtcdClient } from './client.js';
import {
  deleteRecord,
  isStored,
  nameStore,
  putRecord,
  type StoredRecord,
  SupersededError,
} from './lease-store.js';

export interface LeaseRunner {
  progress(): void;
  set(records: readonly StoredRecord[]): void;
  /** Gives the lease back; resolves when the store has it, or the call has failed. */
  stop(): Promise<void>;
}

export interface LeasePorts {
  onStatus(status: LeaseStatus): void;
  log(fields: object, message: string): void;
}

/** Of so many renewals one looks whether the records are still there. */
const LOOK_EVERY = 3;

export function runLease(
  etcd: EtcdClient,
  given: {
    readonly records: readonly StoredRecord[];
    readonly incarnation: string;
    readonly ttlMs: number;
    readonly hangMs: number;
  },
  ports: LeasePorts,
): LeaseRunner {
  const { incarnation, ttlMs, hangMs } = given;
  let { records } = given;
  /** Keys that are to be there no more. */
  const dropped = new Set<string>();
  let state = initialLease({ ttlMs, hangMs });
  let timer: NodeJS.Timeout | undefined;
  let renewals = 0;
  const trouble = createTrouble();
  let revoked: Promise<void> = Promise.resolve();

  type Body = LeaseEvent extends infer E
    ? E extends LeaseEvent
      ? Omit<E, 'atMs' | 'random'>
      : never
    : never;

  function step(event: Body): void {
    const next = stepLease(state, { ...event, atMs: monoMs(), random: Math.random() } as LeaseEvent);
    state = next.state;
    for (const effect of next.effects) act(effect);
    clearTimeout(timer);
    const dueMs = leaseTimerMs(state) - monoMs();
    if (Number.isFinite(dueMs)) timer = setTimeout(() => step({ type: 'tick' }), Math.max(1, dueMs));
  }

  function act(effect: LeaseEffect): void {
    switch (effect.type) {
      case 'grant':
        run(null, 'grant', async (askedMs) => {
          const granted = await etcd.grant(effect.ttlMs);
          step({ type: 'granted', ...granted, askedMs });
        });
        break;
      case 'keep':
        run(effect.lease, 'keep', async (askedMs) => {
          const leftMs = await etcd.keep(effect.lease);
          if (leftMs <= 0) return step({ type: 'gone', lease: effect.lease });
          step({ type: 'kept', lease: effect.lease, ttlMs: leftMs, askedMs });
          renewals += 1;
          if (renewals % LOOK_EVERY === 0) await look(effect.lease);
        });
        break;
      case 'put':
        run(effect.lease, 'put', async () => {
          await nameStore(etcd);
          for (const record of records) await putRecord(etcd, effect.lease, record, incarnation);
          for (const key of dropped) await deleteRecord(etcd, effect.lease, key);
          dropped.clear();
          step({ type: 'put', lease: effect.lease, version: effect.version });
          if (trouble.end()) ports.log({}, 'registered again');
        });
        break;
      case 'revoke':
        revoked = etcd.revoke(effect.lease).catch(() => undefined);
        break;
      case 'status':
        ports.onStatus(effect.status);
        break;
    }
  }

  async function look(lease: string): Promise<void> {
    try {
      if (state.status !== 'registered' || (await isStored(etcd, lease, records))) return;
      ports.log({}, 'the registration was deleted or changed: it is written again');
      step({ type: 'records' });
    } catch {
      // The next renewal says whether the store answers.
    }
  }

  function run(
    lease: string | null,
    call: 'grant' | 'keep' | 'put',
    act: (askedMs: number) => Promise<void>,
  ): void {
    act(monoMs()).catch((error: Error) => {
      // A put under a lease that the store does not know.
      if (call === 'put' && lease !== null && etcd.isLeaseGone(error)) return step({ type: 'gone', lease });
      const text = error instanceof SupersededError ? error.message : `${call}: ${error.message}`;
      if (state.status !== 'stopped' && trouble.isToBeSaid(text))
        ports.log({ error: text }, 'the registration waits for the store');
      step({ type: 'failed', call, lease });
    });
  }

  step({ type: 'start' });
  return {
    progress: () => step({ type: 'progress' }),
    set(next) {
      for (const { key } of records) dropped.add(key);
      records = next;
      for (const { key } of records) dropped.delete(key);
      step({ type: 'records' });
    },
    async stop() {
      clearTimeout(timer);
      step({ type: 'stop' });
      await revoked;
    },
  };
}
