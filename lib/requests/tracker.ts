import { InferenceHealthError } from '../errors.js';
import { add64, addLarge64, MAX_ADD } from './counter64.js';
import { durationBucket } from './durations.js';
import { type RequestsBlock, SLOT, secondOf, slotBase } from './layout.js';
import { bump, countEnded, countTokens } from './minute.js';
import type { SlotClaim } from './slots.js';

/** One request that is being counted. All methods may be called at any time; the first `end` or `fail` decides. */
export interface RequestHandle {
  /**
   * Adds generated tokens, at the moment they are generated, so that a long generation shows in `tokensPerSecond`.
   * @param n integer, 0 … 2^31 − 1. Ignored once the request has ended.
   * @throws InferenceHealthError `ERR_CONFIG_INVALID` for anything else.
   */
  tokens(n: number): void;
  /** The request was answered. */
  end(): void;
  /** The request was not answered as it should. The error is not kept. */
  fail(error?: unknown): void;
  /** `using request = health.requests.begin()` ends it with the block, unless it has ended or failed before. */
  [Symbol.dispose](): void;
}

/** Also can be taken back, for what turns out to be no request to count. */
export interface CountedRequest extends RequestHandle {
  discard(): void;
}

export interface RequestTracker {
  /** Counts a request from now on. After the tracker's slot was released the handle counts nothing. */
  begin(): CountedRequest;
}

interface Writer {
  readonly block: RequestsBlock;
  readonly words: Int32Array;
  readonly base: number;
  readonly owner: number;
  readonly clock: () => number;
}

/** False once the slot was released, by this thread's close() or after its end: it may be another thread's by now. */
function ownsSlot(writer: Writer): boolean {
  return Atomics.load(writer.words, writer.base + SLOT.owner) === writer.owner;
}

// A class, though the rest of the code has none: a handle is the one object that every request allocates, and closures
// would make it five.
class Handle implements CountedRequest {
  private writer: Writer | null;
  private readonly beganMs: number;

  constructor(writer: Writer | null, beganMs: number) {
    this.writer = writer;
    this.beganMs = beganMs;
  }

  tokens(n: number): void {
    if (!Number.isInteger(n) || n < 0 || n > MAX_ADD) {
      throw new InferenceHealthError(
        'ERR_CONFIG_INVALID',
        `tokens(n): expected an integer from 0 to ${MAX_ADD}, received ${typeof n === 'number' ? n : typeof n}`,
      );
    }
    const writer = this.writer;
    if (writer === null || n === 0 || !ownsSlot(writer)) return;
    const { words, base } = writer;
    add64(words, base + SLOT.tokens, n);
    countTokens(words, base, secondOf(writer.block, writer.clock()), n);
    bump(words, base + SLOT.version, 1);
  }

  end(): void {
    this.settle(false);
  }

  fail(_error?: unknown): void {
    this.settle(true);
  }

  [Symbol.dispose](): void {
    this.settle(false);
  }

  discard(): void {
    const writer = this.take();
    if (writer === null) return;
    const { words, base } = writer;
    add64(words, base + SLOT.discarded, 1);
    bump(words, base + SLOT.active, -1);
    bump(words, base + SLOT.version, 1);
  }

  private settle(failed: boolean): void {
    const writer = this.take();
    if (writer === null) return;
    const { words, base } = writer;
    const nowMs = writer.clock();
    const ms = Math.max(0, nowMs - this.beganMs);
    const us = Math.round(ms * 1000);
    add64(words, base + (failed ? SLOT.failed : SLOT.completed), 1);
    addLarge64(words, base + SLOT.durationSum, us);
    add64(words, base + SLOT.durations + 2 * durationBucket(ms), 1);
    countEnded(words, base, secondOf(writer.block, nowMs), failed, ms, us);
    bump(words, base + SLOT.active, -1);
    bump(words, base + SLOT.version, 1);
  }

  private take(): Writer | null {
    const writer = this.writer;
    this.writer = null;
    return writer !== null && ownsSlot(writer) ? writer : null;
  }
}

const UNCOUNTED = new Handle(null, 0);

/**
 * Counts the requests of one thread into its slot.
 * @param claim a slot that this thread has claimed.
 * @param clock monotonic milliseconds, the same on all threads of the process.
 */
export function createTracker(block: RequestsBlock, claim: SlotClaim, clock: () => number): RequestTracker {
  const base = slotBase(claim.slot);
  const words = block.words;
  const writer: Writer = { block, words, base, owner: claim.owner, clock };
  return {
    begin() {
      if (!ownsSlot(writer)) return UNCOUNTED;
      bump(words, base + SLOT.active, 1);
      add64(words, base + SLOT.started, 1);
      bump(words, base + SLOT.version, 1);
      return new Handle(writer, clock());
    },
  };
}
