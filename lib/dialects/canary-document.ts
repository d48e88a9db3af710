import type { EndpointCanary } from '../status/types.js';
import type { Details } from './view.js';

/** The key `canary` of `/health`: by endpoint, what its test requests said. */
export function canaryDocument(
  canaries: readonly EndpointCanary[],
  details: Details,
  at: (monoMs: number) => string,
): object {
  const one = ({ status, sinceMs, counts, history }: EndpointCanary): object => ({
    status,
    since: at(sinceMs),
    outcomes: counts,
    history: history.map(({ atMs, outcome, durationMs, detail }) => ({
      at: at(atMs),
      outcome,
      duration_ms: Math.round(durationMs),
      ...(details === 'full' && detail !== null ? { detail } : {}),
    })),
  });
  return Object.fromEntries(canaries.map((canary) => [canary.name, one(canary)]));
}
