import { type Get, integer, milliseconds, type OptionSpec } from './spec.js';

/** Admission of requests; see `docs/admission.md`. */
export interface LimitsOptions {
  /** Requests that run at the same time. Default: no limit, and so no queue. */
  maxConcurrent?: number;
  /** Requests that may wait; one more is refused. Default 100. */
  maxQueue?: number;
  /** A request that has waited for longer is refused, in milliseconds. Default 10000. */
  queueTimeoutMs?: number;
  /** Bytes of waiting requests that the application reports with them. Default: no limit. */
  maxQueueBytes?: number;
}

export interface LimitsConfig {
  /** Null: no limit. */
  readonly maxConcurrent: number | null;
  readonly maxQueue: number;
  readonly queueTimeoutMs: number;
  readonly maxQueueBytes: number | null;
}

export const LIMITS_SPECS: readonly OptionSpec[] = [
  {
    name: 'limits.maxConcurrent',
    kind: integer(1, 1_000_000),
    fallback: null,
    meaning: 'requests that run at the same time; unset: no limit',
    isNoFlag: true,
  },
  {
    name: 'limits.maxQueue',
    kind: integer(0, 1_000_000),
    fallback: 100,
    meaning: 'requests that may wait for their turn; one more is refused',
    isNoFlag: true,
  },
  {
    name: 'limits.queueTimeoutMs',
    kind: milliseconds(1),
    fallback: 10_000,
    meaning: 'a request that has waited for longer is refused',
    isNoFlag: true,
  },
  {
    name: 'limits.maxQueueBytes',
    kind: integer(0, Number.MAX_SAFE_INTEGER),
    fallback: null,
    meaning: 'bytes of the requests that wait; unset: no limit',
    isNoFlag: true,
  },
];

export function limitsOf(get: Get): LimitsConfig {
  return Object.freeze({
    maxConcurrent: get<number | null>('limits.maxConcurrent'),
    maxQueue: get<number>('limits.maxQueue'),
    queueTimeoutMs: get<number>('limits.queueTimeoutMs'),
    maxQueueBytes: get<number | null>('limits.maxQueueBytes'),
  });
}
