/**
 * A store as etcd is one: revisions, leases, watches, compaction, leaders that change, members that lag behind; and, as no
 * store should, with two primaries for a while, of which one side's writes are lost.
 */
import type { StoredInstance } from '../../lib/fleet/instance-cache.js';
import type { Actor, Kernel } from './kernel.js';
import type { Lane, Network } from './network.js';
import { createStoreData, type StoreData } from './store-data.js';

export type Reply<T> = (answer: T | 'failed') => void;

export interface Listing {
  readonly store: string;
  readonly revision: number;
  readonly term: number;
  readonly items: readonly StoredInstance[];
}

export interface Change {
  readonly store: string;
  readonly revision: number;
  readonly puts: readonly StoredInstance[];
  readonly deletes: readonly string[];
}

/** What a process asks of the store; an answer that does not come in time is `failed`. */
export interface StoreClient {
  grant(ttlMs: number, reply: Reply<string>): void;
  keep(lease: string, reply: Reply<'kept' | 'gone'>): void;
  put(lease: string, key: string, instance: StoredInstance['instance'], reply: Reply<'put' | 'gone'>): void;
  revoke(lease: string): void;
  list(reply: Reply<Listing>): void;
  watch(fromRevision: number, onChange: (change: Change) => void, onLost: () => void): void;
}

export interface Store {
  readonly actor: Actor;
  client(actor: Actor): StoreClient;
  /** What is in it now. */
  current(): Listing;
  /** Nothing answers. */
  outage(isOut: boolean): void;
  changeLeader(): void;
  compact(): void;
  loseData(): void;
  /** Reads come from a member that has heard nothing since. */
  lag(isLagging: boolean): void;
  /** Every other process, from the first or from the second, finds a second primary, whose writes are lost by `heal`. */
  split(isFirst: boolean): void;
  heal(): void;
}

const CALL_TIMEOUT_MS = 1000;

export function createStore(kernel: Kernel, network: Network): Store {
  const actor = kernel.spawn('store');
  const main = createStoreData(kernel, { next: 0 });
  let second: StoreData | null = null;
  let isSecondEven = false;
  let lagging: Listing | null = null;

  function client(from: Actor): StoreClient {
    const { life } = from;
    const there: Lane = network.createLane(from, actor, false);
    const back: Lane = network.createLane(actor, from, false);
    const isEven = Number.parseInt(from.name.slice(1), 10) % 2 === 0;
    const side = (): StoreData => (second !== null && isEven === isSecondEven ? second : main);

    function call<T>(work: (data: StoreData) => T, reply: Reply<T>): void {
      let isAnswered = false;
      const answer = (value: T | 'failed'): void => {
        // The process that asked may have died, and another be there.
        if (isAnswered || from.life !== life) return;
        isAnswered = true;
        reply(value);
      };
      from.after(CALL_TIMEOUT_MS, () => answer('failed'));
      there.send(() => {
        const data = side();
        if (data.isOut) return;
        const value = work(data);
        back.send(() => answer(value));
      });
    }

    return {
      grant: (ttlMs, reply) => call((data) => data.grant(ttlMs), reply),
      keep: (lease, reply) => call((data) => data.keep(lease), reply),
      put: (lease, key, instance, reply) => call((data) => data.put(lease, key, instance), reply),
      revoke: (lease) =>
        there.send(() => {
          if (!side().isOut) side().drop(lease);
        }),
      list: (reply) => call((data) => (data === main ? (lagging ?? data.listing()) : data.listing()), reply),
      watch(fromRevision, onChange, onLost) {
        let isLost = false;
        const lost = (): void =>
          back.send(() => {
            if (isLost || from.life !== life) return;
            isLost = true;
            onLost();
          });
        const change = (news: Change): void =>
          back.send(() => isLost || from.life !== life || onChange(news));
        there.send(() => side().watch(fromRevision, { change, lost }));
      },
    };
  }

  return {
    actor,
    client,
    current: main.listing,
    outage(out) {
      for (const data of second === null ? [main] : [main, second]) {
        data.isOut = out;
        if (out) data.loseWatchers();
        else data.renew();
      }
    },
    changeLeader() {
      main.renew();
      main.loseWatchers();
    },
    compact: main.compact,
    loseData() {
      main.lose();
      lagging = null;
    },
    lag(isLagging) {
      lagging = isLagging ? main.listing() : null;
    },
    split(isFirst) {
      if (second !== null) return;
      isSecondEven = isFirst;
      second = main.clone();
      second.isOut = main.isOut;
      second.renew();
      // Who was connected to the main one before and belongs to the second now connects anew; so does everybody else.
      main.loseWatchers();
    },
    heal() {
      if (second === null) return;
      const lost = second;
      second = null;
      main.term = Math.max(main.term, lost.term);
      main.renew();
      lost.loseWatchers();
    },
  };
}
