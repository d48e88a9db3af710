/**
 * Who has waited too long for its class goes first, but only one in four: a long overload would else turn the classes
 * upside down, since then everybody of the lowest has waited long.
 */
import type { FairQueue, Waiting } from './fair-queue.js';
import type { PriorityClass } from './types.js';

export interface Promotion {
  next(atMs: number): Waiting | null;
  served(wasPromoted: boolean): void;
}

const ONE_IN = 4;

export function createPromotion(classes: readonly PriorityClass[], queue: FairQueue): Promotion {
  let others = ONE_IN;
  return {
    next(atMs) {
      if (others < ONE_IN - 1) return null;
      for (let level = classes.length - 1; level > 0; level -= 1) {
        const oldest = queue.oldest(level);
        const promoteAfterMs = classes[level]?.promoteAfterMs ?? Number.POSITIVE_INFINITY;
        if (oldest !== null && atMs - oldest.sinceMs >= promoteAfterMs) return oldest;
      }
      return null;
    },
    served(wasPromoted) {
      others = wasPromoted ? 0 : others + 1;
    },
  };
}
