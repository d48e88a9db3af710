/** Follows each worker's ejection from outside: whether it turned for a reason, and whether too many are out. */
import { outcomeClass } from '../../../lib/fleet/migratable.js';
import type { Outcome } from '../../../lib/fleet/types.js';
import { type Core, keyOf, type Seen } from './core.js';

/** What the ejector has just been told. */
export interface Cause {
  readonly type: 'outcome' | 'strike' | 'poison' | 'removed' | 'nothing';
  readonly worker: string;
  readonly outcome?: Outcome;
}

export interface Ejections {
  watch(cause?: Cause): void;
  /** After every event. */
  check(): void;
  /** A request failed there. */
  struck(at: Seen, atMs: number): void;
}

const NOTHING_TOLD: Cause = { type: 'nothing', worker: '' };
/** Failures further apart do not belong together. */
const STRIKE_MEMORY_MS = 300_000;
const MAX_STRIKES = 20;
/** Of the pool, ejected at once. */
const MAX_RATIO = 0.33;

export function createEjections({ world, actor, ejector, seen }: Core): Ejections {
  const { checks, stats } = world;
  let isTouched = false;

  const cap = (): number => Math.max(1, Math.floor(seen.size * MAX_RATIO));

  /** In by a success of its own or because the pool needs it, out by failures of its own and of late. */
  function checkTurn(
    { ref, isOut, strikes }: Seen,
    { type, worker, outcome }: Cause,
    wereOut: number,
    atMs: number,
  ): void {
    const isOwn = worker === ref.worker;
    const isRight = isOut
      ? (type === 'outcome' || type === 'strike') && isOwn
      : (type === 'outcome' && isOwn && outcome === 'success') ||
        type === 'poison' ||
        (type === 'removed' && wereOut > Math.min(cap(), seen.size - 1));
    checks.check(18, isRight, () => `${keyOf(ref)} is ${isOut ? 'out' : 'in'} by ${type} of ${worker}`);
    if (!isOut || type !== 'outcome') return;
    let row = 0;
    for (let next = atMs; row < strikes.length; row += 1) {
      const before = strikes[strikes.length - 1 - row]!;
      if (next - before > STRIKE_MEMORY_MS) break;
      next = before;
    }
    checks.check(18, row >= 3, () => `${keyOf(ref)} is out by ${row} failures that belong together`);
  }

  return {
    watch(cause = NOTHING_TOLD) {
      const atMs = actor.now();
      isTouched = true;
      let wereOut = 0;
      for (const { isOut } of seen.values()) if (isOut) wereOut += 1;
      for (const each of seen.values()) {
        const isOut = ejector.isEjected(each.ref, atMs);
        if (isOut === each.isOut) continue;
        each.isOut = isOut;
        each.turns += 1;
        checkTurn(each, cause, wereOut, atMs);
        if (!isOut) continue;
        stats.ejections += 1;
        const worker = world.worker(each.ref.worker);
        if (worker.isWell() && !world.isTouched(worker)) stats.falseEjections += 1;
      }
    },
    check() {
      if (!isTouched) return;
      isTouched = false;
      const { size } = seen;
      let ejected = 0;
      for (const { isOut } of seen.values()) if (isOut) ejected += 1;
      checks.check(
        10,
        ejected <= cap() && (ejected < size || size <= 1),
        () => `${ejected} of ${size} ejected`,
      );
    },
    struck(at, atMs) {
      at.strikes.push(atMs);
      if (at.strikes.length > MAX_STRIKES) at.strikes.shift();
    },
  };
}

/** Whether it may turn a worker at all. */
export const isNeutral = (outcome: Outcome): boolean =>
  outcome !== 'success' && !outcomeClass(outcome).ejects;
