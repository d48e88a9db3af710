import type { Permit } from '../fleet/load-view.js';
import type { Outcome } from '../fleet/types.js';
import type { Member } from './member.js';
import type { Reservation } from './pool-types.js';
import type { WorkerProblem } from './problem.js';

const MIN_NEXT_MS = 1000;
const MAX_NEXT_MS = 10_000;
const FIRST_MS = 3000;
/** Servers of others batch long prefills with what they stream, and say nothing meanwhile. */
const FOREIGN_FIRST_MS = 30_000;
const FOREIGN_NEXT_MS = 10_000;
const BREAKS: readonly Outcome[] = ['not_sent', 'connect', 'reset', 'truncated'];

/** @param released called once, after which the reservation holds nothing */
export function createReservation(
  member: Member,
  permit: Permit,
  ports: {
    now(): number;
    tokens(atMs: number, count: number): void;
    released(outcome: Outcome | null): void;
    refused(problem: WorkerProblem): void;
  },
): Reservation {
  let isHeld = true;
  let lastTokenMs: number | null = null;
  const { engine } = member;
  const nextMs =
    engine === null ? Math.min(MAX_NEXT_MS, Math.max(MIN_NEXT_MS, member.tokenMs * 10)) : FOREIGN_NEXT_MS;
  const firstMs =
    engine === null ? Math.max(FIRST_MS, 3 * (member.beacon?.expectedStepMs ?? 0)) : FOREIGN_FIRST_MS;
  member.reservations += 1;
  return {
    ref: permit.ref,
    http: member.http,
    patience: { firstMs, nextMs },
    engine,
    tokens(atMs, count) {
      permit.progress(count);
      ports.tokens(atMs, count);
      member.health.frame(atMs);
      if (lastTokenMs !== null) member.tokenMs += 0.05 * ((atMs - lastTokenMs) / count - member.tokenMs);
      lastTokenMs = atMs;
    },
    release(outcome) {
      if (!isHeld) return;
      isHeld = false;
      member.reservations -= 1;
      permit.release();
      ports.released(outcome);
    },
    refused: ports.refused,
    explain: (outcome) =>
      member.beacon?.state === 'draining' && BREAKS.includes(outcome) ? 'draining' : outcome,
  };
}
