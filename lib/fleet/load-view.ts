/**
 * How loaded a router believes each worker to be: the worker's last report, and what this router itself has sent and seen
 * end since. A worker that reports nothing any more is neither idle nor full. See docs/fleet/load-view.md.
 */
import type { Mutable } from './mutable.js';
import type { WorkerRef } from './types.js';
import { lifeOf } from './worker-ref.js';

export interface LoadReport {
  /** When it was made, in this process's time (arrival minus what the way takes). */
  readonly atMs: number;
  /** Tokens of all requests that run or wait: prefill still to do, and decode still expected. NaN: the worker does not tell. */
  readonly activeTokens: number;
  readonly kvBlocksUsed: number;
  readonly kvBlocksTotal: number;
}

export interface WorkerLoad {
  readonly tokens: number;
  /** Share of KV blocks in use, 0 to 1; NaN: not reported. */
  readonly kvRatio: number;
  readonly isStale: boolean;
  /** Own requests in flight there. */
  readonly inFlight: number;
}

/** One request that this router has sent to a worker. */
export interface Permit {
  readonly ref: WorkerRef;
  /** The expected tokens are fewer by those that have come. */
  progress(tokens: number): void;
  /** Idempotent. */
  release(): void;
}

export interface LoadView {
  report(ref: WorkerRef, report: LoadReport): void;
  /** @param tokens prefill and expected decode */
  send(ref: WorkerRef, tokens: number, atMs: number): Permit;
  load(ref: WorkerRef, atMs: number): WorkerLoad;
  /** Own requests in flight at all workers. */
  readonly inFlight: number;
  /** Lives of workers of which something is kept. */
  readonly size: number;
  forget(ref: WorkerRef): void;
}

export interface LoadViewOptions {
  /** A report older than this counts for nothing. Default 2000. */
  readonly staleAfterMs?: number;
}

interface Entry {
  report: LoadReport | null;
  readonly permits: Set<Sent>;
  /** Tokens of own requests that the last report still counts although they have ended. */
  endedTokens: number;
}

interface Sent {
  readonly atMs: number;
  tokens: number;
}

const newEntry = (): Entry => ({ report: null, permits: new Set(), endedTokens: 0 });

export function createLoadView(options: LoadViewOptions = {}): LoadView {
  const staleAfterMs = options.staleAfterMs ?? 2000;
  const entries = new Map<string, Entry>();

  function entryOf(ref: WorkerRef): Entry {
    const key = lifeOf(ref);
    const known = entries.get(key);
    if (known !== undefined) return known;
    const entry = newEntry();
    entries.set(key, entry);
    view.size = entries.size;
    return entry;
  }

  const isFresh = ({ report }: Entry, atMs: number): boolean =>
    report !== null && atMs - report.atMs <= staleAfterMs;

  function ownTokens({ permits }: Entry, sinceMs: number): number {
    let sum = 0;
    for (const { atMs, tokens } of permits) if (atMs > sinceMs) sum += tokens;
    return sum;
  }

  /** Of the workers that do report; 0 where none does. */
  function medianTokens(atMs: number): number {
    const all: number[] = [];
    for (const entry of entries.values()) if (isFresh(entry, atMs)) all.push(estimate(entry));
    all.sort((a, b) => a - b);
    return all[Math.floor(all.length / 2)] ?? 0;
  }

  function estimate(entry: Entry): number {
    if (entry.report === null) return 0;
    const { activeTokens, atMs } = entry.report;
    // Not none: what is known is what was sent there and has not ended.
    if (Number.isNaN(activeTokens)) return ownTokens(entry, Number.NEGATIVE_INFINITY);
    return Math.max(0, activeTokens - entry.endedTokens) + ownTokens(entry, atMs);
  }

  const view: Mutable<LoadView> = {
    inFlight: 0,
    size: 0,
    report(ref, report) {
      const entry = entryOf(ref);
      if (entry.report !== null && report.atMs < entry.report.atMs) return;
      entry.report = report;
      entry.endedTokens = 0;
    },
    send(ref, tokens, atMs) {
      const entry = entryOf(ref);
      const sent: Sent = { atMs, tokens };
      entry.permits.add(sent);
      view.inFlight += 1;
      return {
        ref,
        progress(done) {
          sent.tokens = Math.max(0, sent.tokens - done);
        },
        release() {
          if (!entry.permits.delete(sent)) return;
          view.inFlight -= 1;
          if (entry.report !== null && sent.atMs <= entry.report.atMs) entry.endedTokens += sent.tokens;
        },
      };
    },
    load(ref, atMs) {
      // Who only asks leaves nothing behind: the lives of workers are without number.
      const entry = entries.get(lifeOf(ref)) ?? newEntry();
      const isStale = !isFresh(entry, atMs);
      const tokens = isStale
        ? Math.max(ownTokens(entry, Number.NEGATIVE_INFINITY), medianTokens(atMs))
        : estimate(entry);
      const report = isStale ? null : entry.report;
      const kvRatio = report === null ? Number.NaN : report.kvBlocksUsed / report.kvBlocksTotal;
      return { tokens, kvRatio, isStale, inFlight: entry.permits.size };
    },
    forget(ref) {
      // Permits that are still out keep their entry; their release finds it.
      entries.delete(lifeOf(ref));
      view.size = entries.size;
    },
  };
  return view;
}
