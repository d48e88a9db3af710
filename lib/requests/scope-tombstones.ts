import type { CancelReason } from './scope.js';

/** A cancel that came before its request: whoever submits that id within the time gets it. */
export interface Tombstone {
  readonly level: 'stop' | 'kill';
  readonly reason: CancelReason;
  readonly untilMs: number;
}

/** By request id, in the order of their arrival. */
export type Tombstones = ReadonlyMap<string, Tombstone>;

/** A submit that comes later than this after its cancel has been sent anew by somebody. */
export const TOMBSTONE_MS = 60_000;
/** Ids come from outside: a flood of cancels must not grow the memory. The oldest go first. */
export const TOMBSTONES_MAX = 10_000;

export interface Bury {
  readonly atMs: number;
  readonly id: string;
  readonly level: 'stop' | 'kill';
  readonly reason: CancelReason;
}

/**
 * Adds a tombstone in place of an older one of the same id; a kill is not weakened by a later stop. The map is changed in
 * place, as copying ten thousand entries per cancel would cost more than the cancel.
 */
export function bury(tombstones: Map<string, Tombstone>, { atMs, id, level, reason }: Bury): void {
  const previous = tombstones.get(id);
  tombstones.delete(id);
  const isKill = level === 'kill' || (previous?.level === 'kill' && previous.untilMs > atMs);
  const kept = isKill && level === 'stop' && previous !== undefined ? previous.reason : reason;
  tombstones.set(id, { level: isKill ? 'kill' : 'stop', reason: kept, untilMs: atMs + TOMBSTONE_MS });
  // In the order of arrival, hence of expiry.
  for (const [oldest, { untilMs }] of tombstones) {
    if (untilMs > atMs && tombstones.size <= TOMBSTONES_MAX) break;
    tombstones.delete(oldest);
  }
}

/** What a request of this id has missed; null when nothing. */
export function exhume(tombstones: Tombstones, id: string, atMs: number): Tombstone | null {
  const found = tombstones.get(id);
  return found !== undefined && found.untilMs > atMs ? found : null;
}
