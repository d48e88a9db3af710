/** What a request is to the queue: its class, its tokens, and until when it waits. */
import type { Waiting } from './fair-queue.js';
import type { Arrival, PriorityClass } from './types.js';

export interface Arrivals {
  /** Of a class by name; of one that there is not, that of `default`, or the last. */
  levelOf(priority: string): number;
  waitingOf(arrival: Arrival): Waiting;
}

export function createArrivals(classes: readonly PriorityClass[]): Arrivals {
  const levels = new Map(classes.map(({ name }, level) => [name, level]));
  const otherLevel = levels.get('default') ?? classes.length - 1;
  const levelOf = (priority: string): number => levels.get(priority) ?? otherLevel;
  return {
    levelOf,
    waitingOf(arrival) {
      const { atMs, id, tenant, promptTokens, bytes, deadlineMs, random } = arrival;
      const level = levelOf(arrival.priority);
      const prefillTokens = Math.max(0, promptTokens - arrival.cachedTokens);
      const tokens = prefillTokens + arrival.expectedTokens;
      const untilMs = Math.min(deadlineMs, atMs + (classes[level]?.queueTimeoutMs ?? 0));
      return {
        id,
        tenant,
        level,
        promptTokens,
        prefillTokens,
        tokens,
        bytes,
        sinceMs: atMs,
        untilMs,
        deadlineMs,
        random,
      };
    },
  };
}
