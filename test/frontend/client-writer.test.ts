import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { type ClientWriter, createClientWriter, outcomeError } from '../../lib/frontend/client-writer.js';
import { parseCompletion } from '../../lib/worker/request.js';

const USAGE = { promptTokens: 1, completionTokens: 2, replayedTokens: 0, migrations: 0 };

/** What a client reads when `act` has written. */
async function answer(
  body: object,
  act: (writer: ClientWriter, response: ServerResponse) => void,
  refusals: Pick<Parameters<typeof createClientWriter>[1], 'overloadStatus' | 'retryAfterSeconds'> = {},
): Promise<{ status: number; headers: Headers; text: string }> {
  const server = createServer((_request, response) => {
    const request = parseCompletion({ prompt: 'x', ...body }, false);
    act(createClientWriter(response, { id: 'i', model: 'm', request, ...refusals }), response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    return { status: response.status, headers: response.headers, text: await response.text() };
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

describe('what a client reads', () => {
  it('is a status as long as nothing has been sent', async () => {
    const { status, headers, text } = await answer({ stream: true }, (writer) =>
      writer.write({ type: 'error', outcome: 'no_workers', why: 'nobody', usage: USAGE }, ''),
    );
    expect([status, headers.get('retry-after'), headers.get('x-request-id')]).toEqual([503, '1', 'i']);
    expect(JSON.parse(text)).toEqual({
      error: { message: 'nobody', type: 'overloaded_error', param: null, code: 'no_workers' },
    });
  });

  it('is the configured status, and when to come back, where every worker was too full', async () => {
    const refusals = { overloadStatus: 529, retryAfterSeconds: () => 7 };
    const { status, headers } = await answer(
      {},
      (writer) => writer.write({ type: 'error', outcome: 'overloaded', why: 'full', usage: USAGE }, ''),
      refusals,
    );
    expect([status, headers.get('retry-after')]).toEqual([529, '7']);
  });

  it('is an error in the stream afterwards, and no [DONE]', async () => {
    const { status, text } = await answer({ stream: true }, (writer) => {
      writer.write({ type: 'text', choice: 0, text: 'a', tokens: 1 }, '');
      writer.write({ type: 'error', outcome: 'reset', why: 'moved 3 times', usage: USAGE }, 'hang up');
    });
    expect(status).toBe(200);
    expect(text).toMatch(/"text":"a".*\n\ndata: \{"error":\{"message":"moved 3 times: hang up"/s);
    expect(text).not.toContain('[DONE]');
  });

  it('ends once: a failure after the end changes nothing', async () => {
    const { text } = await answer({ stream: true }, (writer) => {
      writer.write({ type: 'choice_end', choice: 0, reason: 'stop' }, '');
      writer.write({ type: 'end', usage: USAGE }, '');
      writer.fail(outcomeError('draining', 'late'));
    });
    expect(text.match(/\[DONE\]/g)).toHaveLength(1);
    expect(text).not.toContain('late');
  });

  it('is cut when it does not read what would fill the memory', async () => {
    let isCut = false;
    await answer({ stream: true }, (writer, response) => {
      response.on('close', () => {
        isCut = true;
      });
      response.socket?.cork();
      for (let i = 0; i < 200 && !response.destroyed; i += 1)
        writer.write({ type: 'text', choice: 0, text: 'x'.repeat(100_000), tokens: i }, '');
    }).catch(() => undefined);
    expect(isCut).toBe(true);
  });
});
