/** The answer to a request that was not admitted. */
export interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

interface Rejection {
  readonly code?: string;
  readonly message?: string;
  readonly statusCode?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** From what `health.admit()` rejected with; anything that it does not explain is a 503 too. */
export function refusalOf(error: unknown, httpVersionMajor = 1): Refusal {
  const {
    code = 'ERR_OVERLOADED',
    message = 'not admitted',
    statusCode = 503,
    headers = {},
  } = (error ?? {}) as Rejection;
  return {
    status: statusCode,
    headers: {
      'content-type': 'application/json',
      'cache-control': 'no-store',
      ...headers,
      // The next request of this connection would meet the same; a new one may be routed to another worker. HTTP/2 has no
      // such header.
      ...(code === 'ERR_DRAINING' && httpVersionMajor === 1 ? { connection: 'close' } : {}),
    },
    body: JSON.stringify({ error: { code, message } }),
  };
}
