/** What a request asks of other processes: it ends there when it ends here. */
import { invalid } from '../config/values.js';

const NAME = /^[\w-]{1,64}$/;
const LONGEST_MS = 86_400_000;

export interface Downstream {
  /** `x-request-id` below this request's, and with a deadline `x-request-timeout-ms`, what is left of it. */
  readonly headers: Readonly<Record<string, string>>;
  /** For `fetch` and the like: aborts with a stop or a kill of this request, and with it the connection. */
  readonly signal: AbortSignal;
}

/**
 * For a call to another process in the course of a request: `fetch(url, { ...downstream(scope, 'draft'), method, body })`. A
 * worker of this package ends what it does for it in the same turn in which the connection breaks, whether by the signal or
 * because this process has died.
 * @param name of the call below the request, 1 to 64 of `A-Z a-z 0-9 _ -`
 * @throws InferenceHealthError ERR_CONFIG_INVALID for any other name
 */
export function downstream(
  scope: { readonly id: string; readonly stopSignal: AbortSignal; remainingMs(): number },
  name: string,
): Downstream {
  if (!NAME.test(name)) throw invalid('downstream: name', '1 to 64 letters, digits, _ or -', name);
  const leftMs = scope.remainingMs();
  const timeout = Math.max(1, Math.ceil(Math.min(leftMs, LONGEST_MS)));
  return {
    headers: {
      'x-request-id': `${scope.id}.${name}`,
      ...(Number.isFinite(leftMs) ? { 'x-request-timeout-ms': String(timeout) } : {}),
    },
    signal: scope.stopSignal,
  };
}
