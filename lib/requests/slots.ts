import { existsSync, readlinkSync } from 'node:fs';
import { threadId } from 'node:worker_threads';
import { add64 } from './counter64.js';
import {
  FREE,
  MAX_SLOTS,
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

/** Claims the first free slot for the calling thread; null when {@link MAX_SLOTS} threads count already. */
export function claimSlot(block: RequestsBlock): number | null {
  const owner = threadId + 1;
  for (let slot = 0; slot < MAX_SLOTS; slot += 1) {
    const base = slotBase(slot);
    if (Atomics.compareExchange(block.words, base + SLOT.owner, FREE, owner) !== FREE) continue;
    Atomics.store(block.words, base + SLOT.kernelTid, kernelThreadId());
    noteSlotUsed(block, slot);
    return slot;
  }
  return null;
}

/**
 * Frees a slot if `owner` still has it. Its totals stay; requests in flight count as failed from now on, since nobody
 * will ever see them end. Of several threads that try, one does it.
 */
function releaseSlot(block: RequestsBlock, slot: number, owner: number, nowMs: number): boolean {
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
  Atomics.store(words, base + SLOT.kernelTid, 0);
  Atomics.store(words, base + SLOT.owner, FREE);
  return true;
}

/** Frees every slot of a thread, given by its worker_threads id; returns how many there were. */
export function releaseThread(block: RequestsBlock, id: number, nowMs: number): number {
  return release(block, nowMs, (slot) => Atomics.load(block.words, slotBase(slot) + SLOT.owner) === id + 1);
}

/**
 * Frees the slots of threads that have ended in whatever way; returns how many. It asks the kernel, not the thread, so it
 * works after `terminate()` and while any other thread is blocked; 3 µs per attached thread, so about once a second.
 * Without /proc (not Linux) it finds nothing: there {@link watchWorkers} and the thread's own exit do it.
 */
export function releaseDeadThreads(block: RequestsBlock, nowMs: number): number {
  return release(block, nowMs, (slot) => {
    const tid = Atomics.load(block.words, slotBase(slot) + SLOT.kernelTid);
    return tid > 0 && !existsSync(`/proc/self/task/${tid}`) && existsSync('/proc/self/task');
  });
}

function release(block: RequestsBlock, nowMs: number, isDue: (slot: number) => boolean): number {
  let released = 0;
  const used = slotsUsed(block);
  for (let slot = 0; slot < used; slot += 1) {
    // Owner before the test: if the slot changes hands meanwhile, the owner has changed and nothing is freed.
    const owner = Atomics.load(block.words, slotBase(slot) + SLOT.owner);
    if (owner > FREE && isDue(slot) && releaseSlot(block, slot, owner, nowMs)) released += 1;
  }
  return released;
}

/** Requests in flight on the calling thread's own slot end with it: see {@link releaseSlot}. */
export function releaseOwnSlot(block: RequestsBlock, slot: number, nowMs: number): void {
  releaseSlot(block, slot, threadId + 1, nowMs);
}
