/**
 * How fast a pool serves, measured from nothing but the times at which requests are sent and tokens come: no engine has to
 * say it. Only time in which there was something to do counts, so that a quiet pool is not taken for a slow one. Mutable;
 * times come with the calls. See docs/fleet/service-rate.md.
 */
import type { PrefillRate } from './admission/feasibility.js';

export interface ServiceSpeed {
  /** Tokens a second, prefilled and generated, of all workers together; 0: unknown. */
  readonly tokensPerSecond: number;
  readonly prefill: PrefillRate;
  /** Between two tokens of a stream, milliseconds; NaN: unknown. */
  readonly interTokenMs: number;
}

export interface ServedRequest {
  /** @returns with the first tokens: how long the worker let it wait before its prefill, milliseconds; null: with all others */
  tokens(atMs: number, count: number): number | null;
  /** Idempotent. */
  end(atMs: number): void;
}

export interface ServiceRate {
  /** @param promptTokens to prefill there, what is replayed included */
  send(worker: string, promptTokens: number, atMs: number): ServedRequest;
  /** It is gone: its speed is no longer the pool's. */
  forget(worker: string): void;
  /** @param isCounted of which workers; default: all */
  speed(atMs: number, isCounted?: (worker: string) => boolean): ServiceSpeed;
}

/** Work over the time in which there was some; both fade. */
interface Meter {
  open: number;
  atMs: number;
  work: number;
  busyMs: number;
}

interface Worker {
  /** Requests that wait for their first token. */
  readonly prefill: Meter;
  /** Requests that run. */
  readonly all: Meter;
  /** Smoothed, milliseconds; NaN: none seen. */
  gapMs: number;
  /** Least time to first token by token of a prompt: what a prefill takes when nothing is ahead. */
  leastMsPerToken: number;
}

/** Busy time after which what was measured counts for a third: long enough for a few requests, short beside a burst. */
const FADE_MS = 5000;
/** After so long without work nothing is known: whoever is refused for a bad figure would never let it be measured again. */
const STALE_MS = 10_000;
const GAP_WEIGHT = 0.05;
/** The least time grows by a hundredth with each request, so that a worker that has become slower is believed in the end. */
const FORGET_LEAST = 1.01;
/** A shorter prompt takes no less: it is the step that takes the time. */
const MIN_PROMPT = 16;
const SECOND_MS = 1000;

export function createServiceRate(): ServiceRate {
  const workers = new Map<string, Worker>();

  function workerOf(name: string, atMs: number): Worker {
    const known = workers.get(name);
    if (known !== undefined) return known;
    const worker: Worker = {
      prefill: meter(atMs),
      all: meter(atMs),
      gapMs: Number.NaN,
      leastMsPerToken: Number.POSITIVE_INFINITY,
    };
    workers.set(name, worker);
    return worker;
  }

  return {
    send(name, promptTokens, atMs) {
      const worker = workerOf(name, atMs);
      let lastMs: number | null = null;
      let isOver = false;
      begin(worker.prefill, atMs);
      begin(worker.all, atMs);
      return {
        tokens(nowMs, count) {
          if (isOver) return null;
          let waitMs: number | null = null;
          if (lastMs === null) {
            end(worker.prefill, nowMs, promptTokens);
            add(worker.all, nowMs, promptTokens + count);
            waitMs = waited(worker, nowMs - atMs, promptTokens);
          } else {
            add(worker.all, nowMs, count);
            // Several at once came one after the other.
            const gapMs = (nowMs - lastMs) / count;
            worker.gapMs = Number.isNaN(worker.gapMs)
              ? gapMs
              : worker.gapMs + GAP_WEIGHT * (gapMs - worker.gapMs);
          }
          lastMs = nowMs;
          return waitMs;
        },
        end(nowMs) {
          if (isOver) return;
          isOver = true;
          if (lastMs === null) end(worker.prefill, nowMs, 0);
          end(worker.all, nowMs, 0);
        },
      };
    },
    forget: (name) => void workers.delete(name),
    speed(atMs, isCounted) {
      let tokensPerSecond = 0;
      let prefill = 0;
      let known = 0;
      const gaps: number[] = [];
      for (const [name, worker] of workers) {
        if (isCounted?.(name) === false) continue;
        tokensPerSecond += rateOf(worker.all, atMs);
        const rate = rateOf(worker.prefill, atMs);
        if (rate > 0) known += 1;
        prefill += rate;
        if (!Number.isNaN(worker.gapMs)) gaps.push(worker.gapMs);
      }
      const interTokenMs = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
      return {
        tokensPerSecond,
        prefill: {
          tokensPerSecond: prefill,
          ownTokensPerSecond: known === 0 ? 0 : prefill / known,
          baseMs: gaps.length === 0 ? 0 : interTokenMs,
        },
        interTokenMs,
      };
    },
  };
}

/** What a time to first token has beyond the prefill itself, the step that was under way, and that which it is part of. */
function waited(worker: Worker, firstMs: number, promptTokens: number): number {
  const tokens = Math.max(MIN_PROMPT, promptTokens);
  worker.leastMsPerToken = Math.min(worker.leastMsPerToken * FORGET_LEAST, firstMs / tokens);
  const stepMs = Number.isNaN(worker.gapMs) ? 0 : worker.gapMs;
  return Math.max(0, firstMs - worker.leastMsPerToken * tokens - 2 * stepMs);
}

function meter(atMs: number): Meter {
  return { open: 0, atMs, work: 0, busyMs: 0 };
}

function advance(own: Meter, atMs: number): void {
  const passedMs = atMs - own.atMs;
  own.atMs = atMs;
  if (own.open === 0 || passedMs <= 0) return;
  const left = Math.exp(-passedMs / FADE_MS);
  own.work *= left;
  own.busyMs = own.busyMs * left + passedMs;
}

function begin(own: Meter, atMs: number): void {
  advance(own, atMs);
  own.open += 1;
}

function add(own: Meter, atMs: number, work: number): void {
  advance(own, atMs);
  own.work += work;
}

function end(own: Meter, atMs: number, work: number): void {
  add(own, atMs, work);
  own.open -= 1;
}

/** A second, counting what is still under way; 0: not known, or not any more. */
function rateOf(own: Meter, atMs: number): number {
  if (own.open === 0 && atMs - own.atMs > STALE_MS) return 0;
  const openMs = own.open === 0 ? 0 : Math.max(0, atMs - own.atMs);
  const left = Math.exp(-openMs / FADE_MS);
  const busyMs = own.busyMs * left + openMs;
  return busyMs === 0 ? 0 : ((own.work * left) / busyMs) * SECOND_MS;
}
