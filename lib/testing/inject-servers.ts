/** Faults of etcd and NATS. */
import type { Fleet } from './fleet.js';
import { type Injected, note } from './injected.js';
import type { Member } from './member.js';
import type { Fault } from './types.js';

export async function strikeEtcd(fleet: Fleet, fault: Fault): Promise<Injected> {
  const { etcd } = fleet;
  const atMs = Date.now();
  if (etcd === null) return { targets: [], atMs, undo: null };
  const { members } = etcd;
  const named = members.filter(({ name }) => name === fault.target);
  const struck = named.length > 0 ? named : members;
  const kill = (list: readonly Member[]): (() => void) => {
    for (const member of list) {
      if (fault.forMs !== undefined) member.hold();
      member.expectExit();
      member.process?.signal('SIGKILL');
    }
    return () => {
      for (const member of list) member.release();
    };
  };
  switch (fault.fault) {
    case 'etcd-kill':
      note(fleet, fault, named.length > 0 ? struck.map(({ name }) => name).join() : 'all');
      return { targets: [], atMs, undo: kill(struck) };
    case 'etcd-leader-kill': {
      const leader = await etcd.leader();
      note(fleet, fault, leader?.name ?? 'nobody leads');
      return { targets: [], atMs, undo: leader === null ? null : kill([leader]) };
    }
    case 'etcd-no-quorum':
      note(fleet, fault, '');
      return { targets: [], atMs, undo: kill(members.slice(0, Math.floor(members.length / 2) + 1)) };
    case 'etcd-pause': {
      note(fleet, fault, struck.map(({ name }) => name).join());
      for (const member of struck) member.process?.signal('SIGSTOP');
      const undo = (): void => {
        for (const member of struck) member.process?.signal('SIGCONT');
      };
      return { targets: [], atMs, undo };
    }
    case 'etcd-compact':
      note(fleet, fault, '');
      await etcd.compact();
      return { targets: [], atMs, undo: null };
    default:
      note(fleet, fault, 'all data');
      await etcd.wipe();
      return { targets: [], atMs, undo: null };
  }
}

export function strikeNats(fleet: Fleet, fault: Fault): Injected {
  const atMs = Date.now();
  const { nats } = fleet;
  note(fleet, fault, '');
  if (nats === null) return { targets: [], atMs, undo: null };
  if (fault.fault === 'nats-pause') {
    nats.process?.signal('SIGSTOP');
    return { targets: [], atMs, undo: () => nats.process?.signal('SIGCONT') };
  }
  if (fault.forMs !== undefined) nats.hold();
  nats.expectExit();
  nats.process?.signal('SIGKILL');
  return { targets: [], atMs, undo: () => nats.release() };
}
