/**
 * Requests that have cost workers their lives, by the hash of what the engine computes on. Bounded: the oldest entry goes
 * first. See docs/fleet/migrator.md, "Poison".
 */
export interface Quarantine {
  readonly size: number;
  add(hash: string, atMs: number): void;
  /** Whether a request with this hash is to be refused. */
  has(hash: string, atMs: number): boolean;
  /** Milliseconds until it may be tried again; 0 if it may. */
  leftMs(hash: string, atMs: number): number;
}

export interface QuarantineOptions {
  /** Default 600 000. */
  readonly durationMs?: number;
  /** Default 10 000. */
  readonly maxEntries?: number;
}

export function createQuarantine(options: QuarantineOptions = {}): Quarantine {
  const { durationMs = 600_000, maxEntries = 10_000 } = options;
  const untilMs = new Map<string, number>();

  function leftMs(hash: string, atMs: number): number {
    const until = untilMs.get(hash);
    if (until === undefined) return 0;
    if (until > atMs) return until - atMs;
    untilMs.delete(hash);
    return 0;
  }

  return {
    get size() {
      return untilMs.size;
    },
    add(hash, atMs) {
      // Deleted first: a map keeps the place of a key that it has.
      untilMs.delete(hash);
      untilMs.set(hash, atMs + durationMs);
      if (untilMs.size <= maxEntries) return;
      const [oldest] = untilMs.keys();
      if (oldest !== undefined) untilMs.delete(oldest);
    },
    has: (hash, atMs) => leftMs(hash, atMs) > 0,
    leftMs,
  };
}
