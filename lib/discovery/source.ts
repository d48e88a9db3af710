import type { InstanceRecord } from './types.js';

export interface SourceItem {
  readonly key: string;
  readonly record: InstanceRecord;
  /** Revision of the last change of this key. */
  readonly revision: number;
}

export interface Listing {
  /** Identity of the store's data: another one is another history. */
  readonly store: string;
  readonly revision: number;
  /** Rises with each leader of the store. */
  readonly term?: number;
  readonly items: readonly SourceItem[];
}

export interface SourceEvents {
  readonly revision: number;
  readonly puts: readonly SourceItem[];
  readonly deletes: readonly string[];
}

/** What a watch loop reads: one range of keys of a store. */
export interface Source {
  readonly name: string;
  list(): Promise<Listing>;
  /** Events after `revision`. `onLost` is called once at most, and nothing after it or after `close`. */
  watch(
    revision: number,
    on: { events(events: SourceEvents): void; lost(error: Error): void },
  ): { close(): void };
}
