import { COUNTER64_WORDS } from './counter64.js';
import { DURATION_BUCKETS, SCALE_STEPS } from './durations.js';

/** Threads of one process that can count at the same time. */
export const MAX_SLOTS = 64;

const MAGIC = 0x49484c54;
/** Bumped when a word moves: two versions of the package in one process must not share a block. */
const LAYOUT_VERSION = 1;

/** Word offsets in the header. */
const HEADER = { magic: 0, version: 1, closed: 2, slotsUsed: 3, startedMs: 4, id: 6, claims: 8 } as const;
const HEADER_WORDS = 32;

/**
 * Word offsets in a slot. One thread owns a slot and is the only one to write to it, except for `owner`, which every
 * thread claims by compareExchange, and for whoever has taken a dead thread's slot (`owner` = RELEASING).
 * Totals stay when a slot changes hands: the next owner counts on, so process totals never go back.
 */
export const SLOT = {
  /** {@link FREE}, the number of the claim (no two are equal, also of one thread), or {@link RELEASING}. */
  owner: 0,
  /** Changes with everything that is counted. */
  version: 1,
  /** Requests in flight. */
  active: 2,
  /** worker_threads' threadId + 1, 0 while not known; like the next one, written once the slot is claimed. */
  thread: 3,
  started: 4,
  completed: 6,
  failed: 8,
  /** Begun and then taken back: they were not requests to count. */
  discarded: 10,
  tokens: 12,
  /** Microseconds. */
  durationSum: 14,
  /** {@link DURATION_BUCKETS} counters of two words. */
  durations: 16,
  /** The kernel's id of the owner's thread, 0 where not known. */
  kernelTid: 62,
  minute: 64,
} as const;

export const FREE = 0;
export const RELEASING = -1;

/** More than the 60 that are read, so that a bucket is recycled only when no reader looks at it any more. */
export const MINUTE_BUCKETS = 64;

/** Word offsets in one second's bucket. */
export const BUCKET = {
  /** The second it counts, 1 = the first of the block; 0 while it is being recycled. */
  second: 0,
  /** Written last: a reader that finds it unchanged has nothing new to read. */
  version: 1,
  completed: 2,
  failed: 3,
  /** Microseconds, two words. */
  durationSum: 4,
  /** Two words. */
  tokens: 6,
  scale: 8,
} as const;

export const BUCKET_WORDS = BUCKET.scale + SCALE_STEPS;
export const SLOT_WORDS = SLOT.minute + MINUTE_BUCKETS * BUCKET_WORDS;

if (SLOT.durations + DURATION_BUCKETS * COUNTER64_WORDS > SLOT.kernelTid)
  throw new Error('the slot overlaps itself');

/** One thread's view of the block: the buffer is shared, this object is not. */
export interface RequestsBlock {
  readonly buffer: SharedArrayBuffer;
  readonly words: Int32Array;
  /** Clock at creation, in milliseconds: second 1 begins here. */
  readonly startedMs: number;
  /** Tells blocks apart: each thread that is sent one gets another SharedArrayBuffer object. */
  readonly id: number;
}

/** A new block of 3 MB, of which the machine gives memory only to the pages of slots in use. */
export function createRequestsBlock(nowMs: number): RequestsBlock {
  const buffer = new SharedArrayBuffer((HEADER_WORDS + MAX_SLOTS * SLOT_WORDS) * 4);
  const words = new Int32Array(buffer);
  const doubles = new Float64Array(buffer, 0, HEADER_WORDS / 2);
  const id = Math.random();
  doubles[HEADER.startedMs / 2] = nowMs;
  doubles[HEADER.id / 2] = id;
  words[HEADER.version] = LAYOUT_VERSION;
  Atomics.store(words, HEADER.magic, MAGIC);
  return { buffer, words, startedMs: nowMs, id };
}

/** A view of a block made on another thread, or null when it is none or of another layout. */
export function openRequestsBlock(buffer: unknown): RequestsBlock | null {
  if (!(buffer instanceof SharedArrayBuffer) || buffer.byteLength < HEADER_WORDS * 4) return null;
  const words = new Int32Array(buffer);
  if (Atomics.load(words, HEADER.magic) !== MAGIC || words[HEADER.version] !== LAYOUT_VERSION) return null;
  const doubles = new Float64Array(buffer, 0, HEADER_WORDS / 2);
  return { buffer, words, startedMs: doubles[HEADER.startedMs / 2] ?? 0, id: doubles[HEADER.id / 2] ?? 0 };
}

/** Word offset of slot `index`. */
export function slotBase(index: number): number {
  return HEADER_WORDS + index * SLOT_WORDS;
}

/** Slots from 0 that have ever been claimed. */
export function slotsUsed(block: RequestsBlock): number {
  return Atomics.load(block.words, HEADER.slotsUsed);
}

export function noteSlotUsed(block: RequestsBlock, index: number): void {
  for (;;) {
    const used = Atomics.load(block.words, HEADER.slotsUsed);
    if (used > index || Atomics.compareExchange(block.words, HEADER.slotsUsed, used, index + 1) === used)
      return;
  }
}

/** A number that no claim of a slot has had before. */
export function nextClaim(block: RequestsBlock): number {
  return Atomics.add(block.words, HEADER.claims, 1) + 1;
}

/** Set when the health that made the block is closed; nobody attaches any more. */
export function closeRequestsBlock(block: RequestsBlock): void {
  Atomics.store(block.words, HEADER.closed, 1);
}

export function isRequestsBlockClosed(block: RequestsBlock): boolean {
  return Atomics.load(block.words, HEADER.closed) === 1;
}

/** The second, from 1, that `nowMs` falls into. */
export function secondOf(block: RequestsBlock, nowMs: number): number {
  return Math.max(0, Math.floor((nowMs - block.startedMs) / 1000)) + 1;
}
