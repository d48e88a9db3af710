import type { ProbeReply, ProbeRoute } from '../probe/server.js';

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * `/metrics` as a probe route: 200 with the text, or 503 with one line when the agent thread cannot say it in time.
 * @param render gives the text in UTF-8; called once a request.
 */
export function createMetricsRoute(render: () => Promise<Uint8Array>): ProbeRoute {
  return async () => {
    try {
      return reply('200 OK', CONTENT_TYPE, await render(), null);
    } catch {
      // The cause went to the log; its text may name paths and does not belong into an answer.
      const body = new TextEncoder().encode(
        'metrics are not available: the agent thread gave no answer in time\n',
      );
      return reply('503 Service Unavailable', 'text/plain; charset=utf-8', body, '1');
    }
  };
}

/** A new object each time: answers of scrapes that overlap must not overwrite each other. */
function reply(
  statusLine: string,
  contentType: string,
  body: Uint8Array,
  retryAfter: string | null,
): ProbeReply {
  return { statusLine, contentType, allow: null, retryAfter, body, length: body.length };
}
