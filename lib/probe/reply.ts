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
