/** Headers of a client that are passed on, and only if they are what they should be: they end up in others' logs. */
import { randomFillSync } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

const REQUEST_ID = /^[\w.:-]+$/;
/** W3C trace context: neither trace nor parent may be all zeros; version ff does not exist. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

const ID_BYTES = 12;
/** For many at once: each request for random bytes costs more than all else that a refusal does. */
const stock = Buffer.alloc(128 * ID_BYTES);
let used = stock.length;

function randomHex(): string {
  if (used === stock.length) {
    randomFillSync(stock);
    used = 0;
  }
  used += ID_BYTES;
  return stock.toString('hex', used - ID_BYTES, used);
}

/** The client's, or a new one. */
export function requestIdOf(headers: IncomingHttpHeaders, maxLength = 160): string {
  const id = headers['x-request-id'];
  return typeof id === 'string' && id.length <= maxLength && REQUEST_ID.test(id) ? id : `req-${randomHex()}`;
}

export function traceparentOf(headers: IncomingHttpHeaders): string | null {
  const { traceparent } = headers;
  return typeof traceparent === 'string' && TRACEPARENT.test(traceparent) ? traceparent : null;
}
