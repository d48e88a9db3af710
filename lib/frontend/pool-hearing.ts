/** What beacons say to a pool: who is there, how it is, and how loaded. */
import { isNewer, type WorkerBeacon } from '../wire/beacon.js';
import { isOpen, type Member, newHealth } from './member.js';
import type { PoolJudge } from './pool-judge.js';
import type { PoolState } from './pool-state.js';

export interface PoolHearing {
  hear(member: Member, beacon: WorkerBeacon): void;
  /** A beacon that came another way. */
  hearElsewhere(beacon: WorkerBeacon): 'taken' | 'unknown' | 'old';
}

export function createPoolHearing(state: PoolState, { judge }: Pick<PoolJudge, 'judge'>): PoolHearing {
  const { ports, ejector, loads, busy, named, tell, leave } = state;
  const { now, log } = ports;

  /** Over the worker's own connection: that one says who is there, and its word is the last. */
  function hear(member: Member, beacon: WorkerBeacon): void {
    member.problem = null;
    if (member.isGone || isNewer(beacon, member.beacon, 'own connection')) take(member, beacon);
  }

  function hearElsewhere(beacon: WorkerBeacon): 'taken' | 'unknown' | 'old' {
    const member = named.get(beacon.worker);
    if (member === undefined || member.isGone || member.ref?.incarnation !== beacon.incarnation)
      return 'unknown';
    const isNew = isNewer(beacon, member.beacon, 'elsewhere');
    // Also where HTTP was faster with the same one. Not for what lags behind: with HTTP at rest nothing new would come.
    if (isNew || beacon.seq === member.beacon?.seq) member.reader.rest();
    if (!isNew) return 'old';
    take(member, beacon);
    return 'taken';
  }

  function take(member: Member, beacon: WorkerBeacon): void {
    const atMs = now();
    const { worker, incarnation } = beacon;
    if (member.ref?.incarnation !== incarnation || member.ref.worker !== worker) {
      if (!claimName(member, beacon)) return;
      const old = member.ref;
      if (old !== null) {
        leave(old);
        if (old.worker !== worker) named.delete(old.worker);
        if (!member.isGone) ports.onGone(old);
      }
      member.ref = { worker, incarnation };
      named.set(worker, member);
      member.health = newHealth(member.engine, atMs);
      member.condition = 'alive';
      ejector.add(member.ref, atMs);
      log({ worker, url: member.url, model: beacon.model }, 'worker found');
    }
    const before = member.beacon;
    member.beacon = beacon;
    const wasGone = member.isGone;
    member.isGone = false;
    if (isOpen(member))
      busy.report(beacon.model, worker, {
        kvRatio: beacon.kvBlocksUsed / beacon.kvBlocksTotal,
        prefillTokens: beacon.prefillTokens ?? Number.NaN,
        maxBatchedTokens: beacon.maxBatchedTokens ?? Number.NaN,
      });
    else busy.forget(worker);
    // Field by field: to copy the whole beacon twice was most of what one costs.
    const { engineStep, running, scheduledTokens, expectedStepMs } = beacon;
    member.health.beacon({ atMs, engineStep, running, scheduledTokens, expectedStepMs });
    const { activeTokens = Number.NaN, kvBlocksUsed, kvBlocksTotal } = beacon;
    loads.report(member.ref, { atMs, activeTokens, kvBlocksUsed, kvBlocksTotal });
    if (wasGone || before?.incarnation !== incarnation || before.state !== beacon.state) tell(member);
    if (beacon.state === 'draining' && before?.state !== 'draining') {
      log({ worker }, 'worker drains');
      ports.onLeaving(member.ref);
    }
    if (before !== null && beacon.engineStep !== before.engineStep) ports.onProgress(member.ref);
    state.changed(member);
    judge(member, atMs);
  }

  /** A name has one worker: records are kept by it. One that is silent loses it to one that is not. */
  function claimName(member: Member, { worker, incarnation }: WorkerBeacon): boolean {
    const other = named.get(worker);
    if (other === undefined || other === member || other.ref === null) return true;
    // The same one by another address is as slow there: only where it cannot be heard any more is this a better way.
    const isSame = other.ref.incarnation === incarnation;
    if (!other.isGone && (other.condition === 'alive' || (isSame && other.condition !== 'frozen'))) {
      if (!member.isNameless) log({ worker, url: member.url, other: other.url }, 'two workers with one name');
      member.isNameless = true;
      return false;
    }
    if (!other.isGone) ports.onGone(other.ref);
    leave(other.ref);
    other.isGone = true;
    other.ref = null;
    tell(other);
    return true;
  }

  return { hear, hearElsewhere };
}
