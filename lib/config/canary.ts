import { type Get, integer, keysOf, milliseconds, type OptionSpec } from './spec.js';
import { invalid } from './values.js';

/** Test requests to the endpoints that the application serves; see `docs/canary.md`. */
export interface CanaryOptions {
  /** An endpoint without traffic for this long gets a test request, in milliseconds. Default 10000. */
  waitMs?: number;
  /** A test request, its whole stream included, that takes longer has failed, in milliseconds. Default 3000. */
  timeoutMs?: number;
  /** The test request. Default: what `serve()` of the endpoint was given, else `{}`. */
  payload?: object;
  /** Failures among the last `of` test requests that make the endpoint not ready, 1 to 100. Default 1. */
  failures?: number;
  /** Default: `failures`, so that they must be consecutive. */
  of?: number;
  /** Each wait is shortened by up to this share at random, so that a fleet does not test in step. 0 to 50. Default 0: exact. */
  jitterPercent?: number;
  /** Lengthens wait and timeout with the observed latency of the engine. Default false: both are exact. */
  adaptive?: boolean;
}

export interface CanaryConfig {
  readonly waitMs: number;
  readonly timeoutMs: number;
  readonly payload: object | null;
  readonly failures: number;
  readonly of: number;
  readonly jitterPercent: number;
  readonly adaptive: boolean;
}

const PARTS: readonly OptionSpec[] = [
  {
    name: 'canary.waitMs',
    kind: milliseconds(50),
    fallback: 10_000,
    meaning: 'an endpoint without traffic for this long gets a test request',
    isNoFlag: true,
  },
  {
    name: 'canary.timeoutMs',
    kind: milliseconds(10),
    fallback: 3000,
    meaning: 'a test request that takes longer has failed',
    isNoFlag: true,
  },
  {
    name: 'canary.payload',
    kind: { type: 'json' },
    fallback: null,
    meaning: 'the test request; unset: what the endpoint was served with',
    isNoFlag: true,
  },
  {
    name: 'canary.failures',
    kind: integer(1, 100),
    fallback: 1,
    meaning: 'failed test requests among the last `canary.of` that make the endpoint not ready',
    isNoFlag: true,
  },
  {
    name: 'canary.of',
    kind: integer(1, 100),
    fallback: null,
    meaning: 'unset: as many as `canary.failures`, so that they must be consecutive',
    isNoFlag: true,
  },
  {
    name: 'canary.jitterPercent',
    kind: { type: 'number', min: 0, max: 50 },
    fallback: 0,
    meaning: 'each wait is shortened by up to this share, so that a fleet does not test in step',
    isNoFlag: true,
  },
  {
    name: 'canary.adaptive',
    kind: { type: 'boolean' },
    fallback: false,
    meaning: 'wait and timeout grow with the observed latency of the engine',
    isNoFlag: true,
  },
];

export const CANARY_SPECS: readonly OptionSpec[] = [
  {
    name: 'canary',
    kind: { type: 'section', keys: keysOf('canary', PARTS) },
    fallback: false,
    meaning: 'test requests to served endpoints that are idle',
    isNoFlag: true,
  },
  ...PARTS,
];

/** Null while it is off. Throws ERR_CONFIG_INVALID where more failures are asked for than test requests looked at. */
export function canaryOf(get: Get): CanaryConfig | null {
  if (get('canary') === false) return null;
  const failures = get<number>('canary.failures');
  const of = get<number | null>('canary.of') ?? failures;
  if (of < failures) throw invalid('option canary.of', `at least canary.failures (${failures})`, of);
  return Object.freeze({
    waitMs: get<number>('canary.waitMs'),
    timeoutMs: get<number>('canary.timeoutMs'),
    payload: get<object | null>('canary.payload'),
    failures,
    of,
    jitterPercent: get<number>('canary.jitterPercent'),
    adaptive: get<boolean>('canary.adaptive'),
  });
}
