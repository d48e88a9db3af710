import { choice, type Get, type OptionSpec } from './spec.js';
import { invalid } from './values.js';

/** The names that `health.endpoint(name)` takes. */
const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

/** What Dynamo's documents call the health of a component. */
export const ENDPOINT_SPECS: readonly OptionSpec[] = [
  {
    name: 'requiredEndpoints',
    kind: { type: 'list' },
    fallback: null,
    meaning: 'endpoints that must be ready for the process to be ready; unset: every one that is declared',
  },
  {
    name: 'startingHealthStatus',
    kind: choice('notready', 'ready'),
    fallback: 'notready',
    meaning: 'what Dynamo listeners say while no endpoint is declared, and of required ones that are not',
  },
  {
    name: 'paths.health',
    kind: { type: 'string' },
    fallback: null,
    meaning: 'path instead of `/health`, on Dynamo listeners only',
  },
  {
    name: 'paths.live',
    kind: { type: 'string' },
    fallback: null,
    meaning: 'path instead of `/live`, on Dynamo listeners only',
  },
  {
    name: 'liveMode',
    kind: choice('documented', 'shallow'),
    fallback: 'documented',
    meaning: '`/live` of Dynamo listeners: as `/health`, or 503 only for what a restart cures',
  },
];

/** Sorted and without repetitions. Throws ERR_CONFIG_INVALID for what cannot be the name of an endpoint. */
export function requiredEndpointsOf(get: Get): readonly string[] {
  const names = get<readonly string[] | null>('requiredEndpoints') ?? [];
  for (const name of names) {
    if (NAME.test(name)) continue;
    const expected = 'names of 1 to 64 letters, digits, _ and -, beginning with a letter';
    throw invalid('option requiredEndpoints (DYN_SYSTEM_USE_ENDPOINT_HEALTH_STATUS)', expected, name);
  }
  return Object.freeze([...new Set(names)].sort());
}
