import { InferenceHealthError, withoutStack } from '../errors.js';
import type { CancelReason } from './scope.js';

/** A request that was cancelled; `reason` is machine-readable. */
export type CancelError = InferenceHealthError & {
  readonly reason: CancelReason['code'];
  /** HTTP status for frameworks that look for one: 504 after a deadline, 503 for a drain, else 499 (client gone). */
  readonly statusCode: number;
};

/** `ERR_DEADLINE`, `ERR_DRAINING` or `ERR_CANCELLED`, as the reason has it. */
export function cancelError({ code, message }: CancelReason): CancelError {
  const known =
    code === 'deadline' ? 'ERR_DEADLINE' : code === 'drain' ? 'ERR_DRAINING' : ('ERR_CANCELLED' as const);
  const statusCode = code === 'deadline' ? 504 : code === 'drain' ? 503 : 499;
  const error = withoutStack(() => new InferenceHealthError(known, message));
  return Object.assign(error, { reason: code, statusCode });
}
