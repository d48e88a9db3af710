/** Who is out of a pool, and why: lost, silent, ejected, or with a wrong setting. */
import type { WorkerRef } from '../fleet/types.js';
import type { Member } from './member.js';
import type { PoolState } from './pool-state.js';
import { PROBLEM_TEXTS, problemOf, type WorkerProblem } from './problem.js';

export interface PoolJudge {
  exclude(member: Member, problem: WorkerProblem, error: string): void;
  lose(member: Member, error: Error, refused: boolean): void;
  /** @param act after which the worker may be ejected */
  watchEjection(ref: WorkerRef, act: () => void): void;
  judge(member: Member, atMs: number): void;
}

export function createPoolJudge({ ports, ejector, busy, tell }: PoolState): PoolJudge {
  const { now, random, log, warn } = ports;

  /** A setting is wrong, here or there. The worker is out, and said to be; no ejection: it has done nothing. */
  function exclude(member: Member, problem: WorkerProblem, error: string): void {
    if (member.problem === problem) return;
    member.problem = problem;
    warn({ url: member.url, error }, PROBLEM_TEXTS[problem]);
    if (member.isGone) return;
    member.isGone = true;
    if (member.ref !== null) busy.forget(member.ref.worker);
    tell(member);
  }

  function lose(member: Member, error: Error, refused: boolean): void {
    const problem = problemOf(error);
    if (problem !== null) {
      exclude(member, problem, error.message);
      return;
    }
    if (member.ref === null && member.lastError !== error.message) {
      member.lastError = error.message;
      warn({ url: member.url, error: error.message }, 'worker not reached');
    }
    if (!refused || member.isGone || member.ref === null) return;
    // Nobody listens where it was: the process is gone, and what ran there with it.
    member.isGone = true;
    busy.forget(member.ref.worker);
    log({ worker: member.ref.worker, error: error.message }, 'worker gone');
    tell(member);
    strike(member.ref);
    // A worker that drains may close its listener before its last stream ends.
    if (member.beacon?.state !== 'draining') ports.onGone(member.ref);
  }

  function strike(ref: WorkerRef): void {
    const atMs = now();
    watchEjection(ref, () => ejector.strike(ref, atMs, random()));
  }

  function watchEjection(ref: WorkerRef, act: () => void): void {
    const before = ejector.isEjected(ref, now());
    act();
    if (before || !ejector.isEjected(ref, now())) return;
    log({ worker: ref.worker }, 'worker ejected');
    ports.onEjected(ref);
  }

  function judge(member: Member, atMs: number): void {
    if (member.ref === null) return;
    const condition = member.health.condition(atMs);
    if (condition === member.condition) return;
    member.condition = condition;
    const { ref } = member;
    log({ worker: ref.worker, condition }, 'worker condition');
    if (condition === 'frozen' || condition === 'hung') strike(ref);
    ports.onCondition(ref, condition);
  }

  return { exclude, lose, watchEjection, judge };
}
