/** The engine's tokens as frames for a frontend. */
import type { ServerResponse } from 'node:http';
import { drained } from '../wire/drained.js';
import { encodeFrame, FRAMES_TYPE } from '../wire/frames.js';
import { isMeant, messageOf, outcomeOf, refuse } from './failure.js';
import { isWanted, openChoice, promptOf, reasonOf, shareOf, type WorkerCall } from './worker-call.js';

export async function answerFrames(call: WorkerCall, response: ServerResponse): Promise<void> {
  const { request } = call;
  const prompt = await promptOf(call);
  const { info } = prompt;
  const frames = openChoice(call, request.choice, prompt);
  const share = shareOf(call, prompt);
  let length = request.generated.length;
  try {
    // Nothing is promised before the first token: a refusal is still a status.
    let next = await frames.next();
    response.writeHead(200, { 'Content-Type': FRAMES_TYPE, 'Cache-Control': 'no-store' });
    response.write(encodeFrame({ type: 'prompt', tokens: info.tokens, ids: info.ids }));
    for (; !next.done && !response.destroyed; next = await frames.next()) {
      const { seq, tokenId, bytes } = next.value;
      length = seq + 1;
      share.token();
      if (!response.write(encodeFrame({ type: 'token', seq, tokenId, bytes }))) await drained(response);
    }
    response.end(encodeFrame({ type: 'finish', reason: reasonOf(request, length), length }));
  } catch (error) {
    if (response.headersSent && isWanted(call, error)) {
      response.end(encodeFrame({ type: 'finish', reason: 'stop', length }));
      return;
    }
    if (!isMeant(error)) call.report(error);
    if (!response.headersSent) return refuse(response, error);
    response.end(encodeFrame({ type: 'error', outcome: outcomeOf(error), message: messageOf(error) }));
  } finally {
    share.end();
  }
}
