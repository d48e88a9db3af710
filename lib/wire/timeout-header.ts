import type { IncomingHttpHeaders } from 'node:http';
import { BadRequest } from '../worker/bad-request.js';

/** Milliseconds that are left for a request. Never a time of day: clocks of machines differ. */
export const TIMEOUT_HEADER = 'x-request-timeout-ms';
const DAY_MS = 86_400_000;

/**
 * Infinity without the header.
 * @throws BadRequest
 */
export function timeoutMsOf(headers: IncomingHttpHeaders): number {
  const value = headers[TIMEOUT_HEADER];
  if (value === undefined) return Number.POSITIVE_INFINITY;
  const ms = typeof value === 'string' && /^\d{1,8}$/.test(value) ? Number(value) : 0;
  if (ms < 1 || ms > DAY_MS) throw new BadRequest(TIMEOUT_HEADER, `an integer from 1 to ${DAY_MS}`, value);
  return ms;
}

/** What is left, rounded up: who is asked is not to give up before the one who asks. Nothing where there is no limit. */
export function timeoutHeader(leftMs: number): { readonly [TIMEOUT_HEADER]?: string } {
  if (leftMs === Number.POSITIVE_INFINITY) return {};
  return { [TIMEOUT_HEADER]: String(Math.min(DAY_MS, Math.max(1, Math.ceil(leftMs)))) };
}
