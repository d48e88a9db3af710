import type { ProbeReply } from './server.js';

/** Stands for every path that is not configured, where a path is reported. */
export const OTHER_PATH = '*';

/** Answers to come, over all listeners: who asks beyond that is told to come back, and nothing is started for him. */
export const MOST_LATE = 16;

export const TOO_MANY_LATE: ProbeReply = {
  statusLine: '503 Service Unavailable',
  contentType: null,
  allow: null,
  retryAfter: '1',
  body: new Uint8Array(0),
  length: 0,
};

/** What a client gets when a route throws or rejects. */
export const INTERNAL_ERROR: ProbeReply = {
  statusLine: '500 Internal Server Error',
  contentType: null,
  allow: null,
  retryAfter: null,
  body: new Uint8Array(0),
  length: 0,
};
