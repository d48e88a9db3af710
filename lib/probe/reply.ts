import type { ProbeReply } from './server.js';

/** Stands for every path that is not configured, where a path is reported. */
export const OTHER_PATH = '*';

/** What a client gets when a route throws or rejects. */
export const INTERNAL_ERROR: ProbeReply = {
  statusLine: '500 Internal Server Error',
  contentType: null,
  allow: null,
  retryAfter: null,
  body: new Uint8Array(0),
  length: 0,
};

/** The header fields of a reply in the order in which both engines send them; `Content-Length` and `Date` are theirs. */
export function replyFields(reply: ProbeReply): [name: string, value: string][] {
  const fields: [string, string][] = [];
  if (reply.contentType !== null) fields.push(['Content-Type', reply.contentType]);
  fields.push(['Cache-Control', 'no-store']);
  if (reply.allow !== null) fields.push(['Allow', reply.allow]);
  if (reply.retryAfter !== null) fields.push(['Retry-After', reply.retryAfter]);
  return fields;
}
