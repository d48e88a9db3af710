/** Stable codes of {@link InferenceHealthError}; each is explained in `docs/errors.md`. */
export type ErrorCode =
  | 'ERR_CONFIG_INVALID'
  | 'ERR_PORT_IN_USE'
  | 'ERR_HOST_INVALID'
  | 'ERR_PORT_FORBIDDEN'
  | 'ERR_ALREADY_STARTED'
  | 'ERR_NATIVE_LOAD'
  | 'ERR_CLOSED'
  | 'ERR_OVERLOADED'
  | 'ERR_DRAINING'
  | 'ERR_CANCELLED'
  | 'ERR_DEADLINE';

const BRAND = Symbol.for('inference-health.error');

/**
 * Makes an error without a stack, for what happens by the thousand and says nothing about the code: a cancel, a refusal.
 * The stack is most of what an error costs.
 */
export function withoutStack<T extends Error>(make: () => T): T {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return make();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** The one error class of this package. Test `error.code`, not `instanceof`: two copies of the package may be loaded. */
export class InferenceHealthError extends Error {
  override readonly name = 'InferenceHealthError';
  readonly code: ErrorCode;
  /** HTTP status of a request that was refused or ended: 499, 503 or 504. Read by fastify and express. */
  declare readonly statusCode?: number;
  /** Why a request was refused or ended; `RejectionReason` and `CancelCode` list the values. */
  declare readonly reason?: string;
  /** Of a refused request: whole seconds, 1 to 60. */
  declare readonly retryAfterSeconds?: number;
  /** Of a refused request: `{ 'retry-after': '3' }`. */
  declare readonly headers?: Readonly<Record<string, string>>;
  readonly [BRAND] = true;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && BRAND in value;
  }
}
