import { existsSync, readlinkSync } from 'node:fs';
import { threadId } from 'node:worker_threads';
import { add64 } from './counter64.js';
import {
  FREE,
  MAX_SLOTS,
  nextClaim,
  noteSlotUsed,
  RELEASING,
  type RequestsBlock,
  SLOT,
  secondOf,
  slotBase,
  slotsUsed,
} from './layout.js';
import { bump, countLost } from './minute.js';

/** The kernel's id of the calling thread, 0 where the kernel does not tell. */
function kernelThreadId(): number {
  try {
    return Number(/\/task\/(\d+)$/.exec(readlinkSync('/proc/thread-self'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

export interface SlotClaim {
  readonly slot: number;
  readonly owner: number;
}

/** Claims the first free slot for the calling thread; null when {@link MAX_SLOTS} threads count already. */
export function claimSlot(block: RequestsBlock): SlotClaim | null {
  const owner = nextClaim(block);
  for (let slot = 0; slot < MAX_SLOTS; slot += 1) {
    const base = slotBase(slot);
    if (Atomics.compareExchange(block.words, base + SLOT.owner, FREE, owner) !== FREE) continue;
    Atomics.store(block.words, base + SLOT.kernelTid, kernelThreadId());
    Atomics.store(block.words, base + SLOT.thread, threadId + 1);
    noteSlotUsed(block, slot);
    return { slot, owner };
  }
  return null;
}

/**
 * Frees a slot if the claim still holds. Its totals stay; requests in flight count as failed from now on, since nobody
 * will ever see them end. Of several threads that try, one does it.
 */
export function releaseSlot(block: RequestsBlock, { slot, owner }: SlotClaim, nowMs: number): boolean {
  const { words } = block;
  const base = slotBase(slot);
  if (Atomics.compareExchange(words, base + SLOT.owner, owner, RELEASING) !== owner) return false;
  const lost = Math.max(0, Atomics.load(words, base + SLOT.active));
  if (lost > 0) {
    add64(words, base + SLOT.failed, lost);
    countLost(words, base, secondOf(block, nowMs), lost);
  }
  Atomics.store(words, base + SLOT.active, 0);
  bump(words, base + SLOT.version, 1);
  // Before the slot is free: the next owner must not be taken for this one.
  Atomics.store(words, base + SLOT.thread, 0);
  Atomics.store(words, base + SLOT.kernelTid, 0);
  Atomics.store(words, base + SLOT.owner, FREE);
  return true;
}

/** Frees every slot of a thread, given by its worker_threads id; returns how many there were. */
export function releaseThread(block: RequestsBlock, id: number, nowMs: number): number {
  return releaseWhere(block, nowMs, (base) => Atomics.load(block.words, base + SLOT.thread) === id + 1);
}

/**
 * Frees the slots of threads that have ended in whatever way; returns how many. It asks the kernel, not the thread, so it
 * works after `terminate()` and while any other thread is blocked; 3 µs per attached thread, so about once a second.
 * Without /proc (not Linux) it finds nothing: there `watchWorkers` and the thread's own exit do it.
 */
export function releaseDeadThreads(block: RequestsBlock, nowMs: number): number {
  return releaseWhere(block, nowMs, (base) => {
    const tid = Atomics.load(block.words, base + SLOT.kernelTid);
    return tid > 0 && !existsSync(`/proc/self/task/${tid}`) && existsSync('/proc/self/task');
  });
}

function releaseWhere(block: RequestsBlock, nowMs: number, isDue: (base: number) => boolean): number {
  let released = 0;
  const used = slotsUsed(block);
  for (let slot = 0; slot < used; slot += 1) {
    const base = slotBase(slot);
    // Owner before the test: if the slot changes hands meanwhile, the claim has changed and nothing is freed.
    const owner = Atomics.load(block.words, base + SLOT.owner);
    if (owner > FREE && isDue(base) && releaseSlot(block, { slot, owner }, nowMs)) released += 1;
  }
  return released;
}
