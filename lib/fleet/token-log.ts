/**
 * The generated tokens of one choice: an append-only log with absolute positions, and the fence that decides whose frames
 * may extend it. It is mutable, because it lives on the path of every token: an append allocates nothing but, now and then,
 * a larger array. See docs/fleet/token-log.md.
 */
import type { Mutable } from './mutable.js';

/** Result of an append. Only `appended` changes the log. */
export type Append =
  /** The log is one token longer. */
  | 'appended'
  /** Of an attempt that has been fenced off. */
  | 'late'
  /** Already in the log, and the same. */
  | 'duplicate'
  /** Already in the log, but another token: the attempts do not agree, this one must end. */
  | 'diverged'
  /** Tokens before it are missing: the attempt must end. */
  | 'gap';

export interface TokenLog {
  readonly length: number;
  /** The attempt whose frames count. */
  readonly epoch: number;
  /** A second attempt that races with it, or -1; whichever extends the log first fences the other. */
  readonly rival: number;
  /**
   * @param seq absolute position from 0, counted over all attempts
   * @param tokenId 32-bit integer; -1 where the engine gives no ids
   */
  append(epoch: number, seq: number, tokenId: number): Append;
  /** From now on only `epoch` counts. Epochs only rise. */
  fence(epoch: number): void;
  /** Lets `epoch` race with the present one. */
  race(epoch: number): void;
  /** The rival has ended without extending the log. */
  endRace(): void;
  tokenAt(seq: number): number;
  /** A view, valid until the next append. */
  tokens(): Int32Array;
}

const FIRST_CAPACITY = 64;

export function createTokenLog(): TokenLog {
  let ids = new Int32Array(FIRST_CAPACITY);

  const log: Mutable<TokenLog> = {
    length: 0,
    epoch: 0,
    rival: -1,
    append(from, seq, tokenId) {
      const { length } = log;
      if (from !== log.epoch && from !== log.rival) return 'late';
      if (seq < length) return ids[seq] === tokenId ? 'duplicate' : 'diverged';
      if (seq > length) return 'gap';
      if (length === ids.length) {
        const larger = new Int32Array(length * 2);
        larger.set(ids);
        ids = larger;
      }
      ids[length] = tokenId;
      log.length = length + 1;
      if (log.rival !== -1) {
        log.epoch = from;
        log.rival = -1;
      }
      return 'appended';
    },
    fence(next) {
      if (next < log.epoch) return;
      log.epoch = next;
      log.rival = -1;
    },
    race(next) {
      if (next > log.epoch) log.rival = next;
    },
    endRace() {
      log.rival = -1;
    },
    tokenAt: (seq) => (seq < log.length ? (ids[seq] ?? -1) : -1),
    tokens: () => ids.subarray(0, log.length),
  };
  return log;
}
