/** Headers of a client that are passed on, and only if they are what they should be: they end up in others' logs. */
import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

const REQUEST_ID = /^[\w.:-]+$/;
/** W3C trace context: neither trace nor parent may be all zeros; version ff does not exist. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The client's, or a new one. */
export function requestIdOf(headers: IncomingHttpHeaders, maxLength = 160): string {
  const id = headers['x-request-id'];
  return typeof id === 'string' && id.length <= maxLength && REQUEST_ID.test(id)
    ? id
    : `req-${randomBytes(12).toString('hex')}`;
}

export function traceparentOf(headers: IncomingHttpHeaders): string | null {
  const { traceparent } = headers;
  return typeof traceparent === 'string' && TRACEPARENT.test(traceparent) ? traceparent : null;
}
