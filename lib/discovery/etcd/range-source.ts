/** One range of etcd's keys as a watch loop reads it. */
import { monoMs } from '../../native/clock.js';
import type { Listing, Source, SourceEvents, SourceItem } from '../source.js';
import type { InstanceRecord } from '../types.js';
import { type EtcdClient, type IKeyValue, type IWatchResponse, prefixRange } from './client.js';
import { STORE_KEY } from './keys.js';

/** A page is parsed in one go: streams wait for it. */
const PAGE = 500;
/** How often a watch is asked whether it has told all. */
const CHECK_MS = 10_000;

export interface RangeOptions {
  readonly prefix: string;
  /** Null: no record, and no mistake either. Throws: a record that cannot be read. */
  decode(key: string, value: string): InstanceRecord | null;
  /** Values are not needed to list. */
  readonly isKeysOnly?: boolean;
  readonly checkMs?: number;
  log(fields: object, message: string): void;
}

export function createRangeSource(client: () => Promise<EtcdClient>, options: RangeOptions): Source {
  const { prefix, isKeysOnly = false, checkMs = CHECK_MS } = options;
  const range = prefixRange(prefix);
  /** Revision of each key that is there, as far as it was told: what a watch is measured by. */
  let revisions = new Map<string, number>();
  const unread = new Set<string>();
  let lastRevision = 0;
  /** A store that was emptied and begun anew may call itself the same; its revisions tell. */
  let epoch = 0;

  function itemOf(kv: IKeyValue): SourceItem | null {
    const key = kv.key.toString();
    const revision = Number(kv.mod_revision);
    try {
      const record = options.decode(key, kv.value.toString());
      unread.delete(key);
      return record === null ? null : { key, record, revision };
    } catch (error) {
      if (!unread.has(key))
        options.log({ key, error: (error as Error).message }, 'a registration that cannot be read');
      unread.add(key);
      return null;
    }
  }

  async function list(): Promise<Listing> {
    const etcd = await client();
    const found = new Map<string, number>();
    const items: SourceItem[] = [];
    let store = '';
    let revision = 0;
    let term = 0;
    let from = range.key;
    for (let hasMore = true; hasMore; ) {
      const page = await etcd.range({
        key: from,
        range_end: range.range_end,
        limit: PAGE,
        keys_only: isKeysOnly,
        // All pages of the same moment; the first says of which.
        ...(revision === 0 ? {} : { revision: String(revision) }),
      });
      if (revision === 0) {
        revision = Number(page.header.revision);
        term = Number(page.header.raft_term);
        store = page.header.cluster_id;
      }
      for (const kv of page.kvs) {
        found.set(kv.key.toString(), Number(kv.mod_revision));
        if (kv.key.toString() === STORE_KEY) store += `/${kv.value.toString()}`;
        const item = itemOf(kv);
        if (item !== null) items.push(item);
      }
      const last = page.kvs.at(-1);
      hasMore = page.more && last !== undefined;
      if (last !== undefined) from = Buffer.concat([last.key, Buffer.of(0)]);
    }
    if (revision < lastRevision) epoch += 1;
    lastRevision = revision;
    revisions = found;
    return { store: `${store}#${epoch}`, revision, term, items };
  }

  /** Whether what is there is what was told. */
  async function isLevel(): Promise<boolean> {
    const etcd = await client();
    const { kvs, count } = await etcd.range({
      ...range,
      limit: 1,
      keys_only: true,
      sort_order: 'Descend',
      sort_target: 'Mod',
    });
    const newest = kvs[0];
    if (Number(count) !== revisions.size) return false;
    return newest === undefined || revisions.get(newest.key.toString()) === Number(newest.mod_revision);
  }

  return {
    name: prefix,
    list,
    watch(after, on) {
      let isClosed = false;
      let watching: { close(): void } | null = null;
      let timer: NodeJS.Timeout | undefined;
      let doubts = 0;
      let toldMs = monoMs();

      function lose(error: Error): void {
        if (isClosed) return;
        close();
        on.lost(error);
      }

      function close(): void {
        isClosed = true;
        clearTimeout(timer);
        watching?.close();
      }

      function response(message: IWatchResponse): void {
        if (message.canceled) {
          const isCompacted = message.compact_revision !== '0';
          lose(new Error(isCompacted ? 'what has happened since is compacted' : message.cancel_reason));
        } else if (message.events.length > 0) {
          toldMs = monoMs();
          const events = take(message);
          if (events === null) lose(new Error('the store has other data'));
          else on.events(events);
        }
      }

      function check(): void {
        timer = setTimeout(
          async () => {
            try {
              // A change may be under way: only what is missing twice has been missed.
              doubts = (await isLevel()) ? 0 : doubts + 1;
              if (doubts >= 2 && monoMs() - toldMs > checkMs / 2)
                return lose(new Error('the watch has missed changes'));
            } catch (error) {
              return lose(error as Error);
            }
            if (!isClosed) check();
          },
          checkMs * (0.8 + 0.4 * Math.random()),
        ).unref();
      }

      client().then((etcd) => {
        if (isClosed) return;
        watching = etcd.watch(range, after + 1, { response, lost: lose });
        check();
      }, lose);
      return { close };
    },
  };

  /** Null: the data is another's. */
  function take({ header, events }: IWatchResponse): SourceEvents | null {
    const puts = new Map<string, SourceItem>();
    const deletes = new Set<string>();
    for (const { type, kv } of events) {
      const key = kv.key.toString();
      if (key === STORE_KEY) return null;
      if (String(type) === 'Delete' || String(type) === 'DELETE') {
        revisions.delete(key);
        puts.delete(key);
        deletes.add(key);
        continue;
      }
      revisions.set(key, Number(kv.mod_revision));
      const item = itemOf(kv);
      deletes.delete(key);
      if (item === null) continue;
      puts.set(key, item);
    }
    lastRevision = Math.max(lastRevision, Number(header.revision));
    return { revision: Number(header.revision), puts: [...puts.values()], deletes: [...deletes] };
  }
}
