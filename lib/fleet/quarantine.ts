/**
 * Requests that have cost workers their lives, by the hash of what the engine computes on. Bounded: the oldest entry goes
 * first. See docs/fleet/migrator.md, "Poison".
 */
import type { Mutable } from './mutable.js';

export interface Quarantine {
  readonly size: number;
  add(hash: string, atMs: number): void;
  /** Whether a request with this hash is to be refused. */
  has(hash: string, atMs: number): boolean;
  /** Milliseconds until it may be tried again; 0 if it may. */
  leftMs(hash: string, atMs: number): number;
  /** Those that count, the oldest first, and since when each does. */
  ages(atMs: number): readonly (readonly [hash: string, ageMs: number])[];
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
    quarantine.size = untilMs.size;
    return 0;
  }

  const quarantine: Mutable<Quarantine> = {
    size: 0,
    add(hash, atMs) {
      // Deleted first: a map keeps the place of a key that it has.
      untilMs.delete(hash);
      untilMs.set(hash, atMs + durationMs);
      const [oldest] = untilMs.keys();
      if (untilMs.size > maxEntries && oldest !== undefined) untilMs.delete(oldest);
      quarantine.size = untilMs.size;
    },
    has: (hash, atMs) => leftMs(hash, atMs) > 0,
    leftMs,
    ages: (atMs) =>
      [...untilMs].flatMap(([hash, until]) => (until > atMs ? [[hash, atMs + durationMs - until]] : [])),
  };
  return quarantine;
}
