/** What has been admitted and has not ended: the permits, and the gauges, which are nothing but their sums. */
import type { Mutable } from '../mutable.js';
import type { Waiting } from './fair-queue.js';

export interface InFlight {
  readonly count: number;
  /**
   * Tokens that its requests take up: all to prefill and to be generated, more if more are generated than was expected. They
   * do not grow fewer with progress, since the cache that they occupy does not either.
   */
  readonly tokens: number;
  /** Tokens that are still to be prefilled, as far as is known. */
  readonly prefillTokens: number;
  tokensOf(level: number): number;
  add(waiting: Waiting): void;
  /** @returns its tenant; null: it does not run */
  progress(id: number, tokens: number): string | null;
  remove(id: number): string | null;
}

interface Permit {
  readonly tenant: string;
  readonly level: number;
  tokens: number;
  /** What may still be generated within `tokens`. */
  expected: number;
  prefill: number;
}

export function createInFlight(classes: number): InFlight {
  const permits = new Map<number, Permit>();
  const byLevel = Array.from({ length: classes }, () => 0);

  function take(permit: Permit, change: number): void {
    permit.tokens += change;
    inFlight.tokens += change;
    byLevel[permit.level] = (byLevel[permit.level] ?? 0) + change;
  }

  const inFlight: Mutable<InFlight> = {
    count: 0,
    tokens: 0,
    prefillTokens: 0,
    tokensOf: (level) => byLevel[level] ?? 0,
    add(waiting) {
      const { id, tenant, level, prefillTokens: prefill } = waiting;
      const permit: Permit = { tenant, level, tokens: 0, expected: waiting.tokens - prefill, prefill };
      permits.set(id, permit);
      inFlight.count = permits.size;
      inFlight.prefillTokens += prefill;
      take(permit, waiting.tokens);
    },
    progress(id, generated) {
      const permit = permits.get(id);
      if (permit === undefined) return null;
      inFlight.prefillTokens -= permit.prefill;
      permit.prefill = 0;
      permit.expected -= generated;
      if (permit.expected < 0) {
        take(permit, -permit.expected);
        permit.expected = 0;
      }
      return permit.tenant;
    },
    remove(id) {
      const permit = permits.get(id);
      if (permit === undefined) return null;
      permits.delete(id);
      inFlight.count = permits.size;
      inFlight.prefillTokens -= permit.prefill;
      take(permit, -permit.tokens);
      return permit.tenant;
    },
  };
  return inFlight;
}
