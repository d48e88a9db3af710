/** Which workers a pool is told to have. */
import { closeMember, createMember, type Member } from './member.js';
import type { PoolHearing } from './pool-hearing.js';
import type { PoolJudge } from './pool-judge.js';
import type { PoolState } from './pool-state.js';
import type { WorkerPool } from './pool-types.js';

export interface PoolRoster extends Pick<WorkerPool, 'add' | 'remove' | 'setLeaving'> {
  /** Its last request has ended. */
  released(member: Member): void;
}

export function createPoolRoster(
  state: PoolState,
  on: Pick<PoolHearing, 'hear'> & Pick<PoolJudge, 'lose'>,
): PoolRoster {
  const { ports, busy, members, named, tell } = state;
  const { now, log } = ports;

  function add(url: string): void {
    const known = members.get(url);
    if (known === undefined) {
      const http = ports.workerHttp.open(url);
      members.set(url, createMember(url, http, now(), { beacon: on.hear, lost: on.lose }, ports.rest));
      return;
    }
    known.isRetired = false;
    state.changed(known);
  }

  function remove(url: string): void {
    const member = members.get(url);
    if (member === undefined || member.isRetired) return;
    member.isRetired = true;
    log({ worker: member.ref?.worker ?? null, url }, 'worker no longer registered');
    if (member.ref !== null) busy.forget(member.ref.worker);
    if (member.reservations === 0) drop(member);
    else tell(member);
  }

  function drop(member: Member): void {
    members.delete(member.url);
    closeMember(member);
    member.isGone = true;
    if (member.ref !== null) {
      state.leave(member.ref);
      if (named.get(member.ref.worker) === member) named.delete(member.ref.worker);
    }
    tell(member);
  }

  return {
    add,
    remove,
    released(member) {
      if (member.isRetired && member.reservations === 0 && members.get(member.url) === member) drop(member);
    },
    setLeaving(url, isLeaving) {
      const member = members.get(url);
      if (member === undefined || member.isLeaving === isLeaving) return;
      member.isLeaving = isLeaving;
      if (isLeaving && member.ref !== null) busy.forget(member.ref.worker);
      tell(member);
      if (!isLeaving || member.ref === null || member.beacon?.state === 'draining') return;
      log({ worker: member.ref.worker }, 'worker leaves');
      ports.onLeaving(member.ref);
    },
  };
}
