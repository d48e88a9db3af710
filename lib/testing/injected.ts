import type { Fleet } from './fleet.js';
import type { Fault } from './types.js';

export interface Injected {
  /** Names; empty: none that is a member. */
  readonly targets: readonly string[];
  /** Wall clock. */
  readonly atMs: number;
  /** Takes it back; null: nothing is to take back. */
  readonly undo: (() => Promise<void> | void) | null;
}

/** Into the timeline. */
export function note(fleet: Fleet, fault: Fault, target: string): void {
  const { forMs, link, xid, delayMs } = fault;
  const fields = { ...(forMs === undefined ? {} : { forMs }), link, xid, delayMs };
  fleet.timeline.add({
    source: 'fault',
    message: `${fault.fault} ${target}`,
    fields: Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)),
  });
}
