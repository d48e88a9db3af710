import type { IncomingMessage, ServerResponse } from 'node:http';
import { createAdminAccess } from '../probe/admin-access.js';
import { sendJson } from '../worker/http-body.js';
import {
  listThresholds,
  postThresholds,
  type ThresholdAnswer,
  type ThresholdPorts,
} from './busy-threshold.js';
import type { Methods } from './routes.js';

const MAX_BODY_BYTES = 4096;

/** `/busy_threshold` for who has the token: what it sets can shed all load. */
export function createBusyThresholdRoute(token: string, ports: ThresholdPorts): Methods {
  const access = createAdminAccess(token, false);

  function refuses(request: IncomingMessage, response: ServerResponse): boolean {
    const granted = access(request.headers);
    if (granted === 'granted') return false;
    request.resume();
    if (granted === 'wrong-host') sendJson(response, 403, '{"error":"not for browsers"}', CLOSE);
    else
      sendJson(response, 401, '{"error":"expected a bearer token"}', {
        ...CLOSE,
        'WWW-Authenticate': 'Bearer',
      });
    return true;
  }

  return {
    GET(request, response) {
      if (!refuses(request, response)) send(response, listThresholds(ports));
    },
    async POST(request, response) {
      if (refuses(request, response)) return;
      const { headers } = request;
      if (!/^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(headers['content-type'] ?? ''))
        return sendJson(
          response,
          415,
          '{"error":"Expected request with `Content-Type: application/json`"}',
          CLOSE,
        );
      if (headers.expect !== undefined) response.writeContinue();
      const text = await read(request);
      if (text === null) return sendJson(response, 413, '{"error":"the body is too large"}', CLOSE);
      send(response, await postThresholds(text, ports));
    },
  };
}

/** What is left of a body that was not read would be taken for the next request. */
const CLOSE = { Connection: 'close' };

function send(response: ServerResponse, { status, body }: ThresholdAnswer): void {
  sendJson(response, status, body, { 'Cache-Control': 'no-store' });
}

/** Null: it is too large. */
async function read(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
