// A server as of somebody else: real llama.cpp behind HTTP that behaves as vLLM documents it (or, without ids, as SGLang and
// others do). It is no vLLM: it stands for its wire form alone, for tests of the frontend. Sends { url } to its parent.
//   node server.mjs MODEL.gguf PORT TOKEN_MS ids|no-ids
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { startEngine } from '../../examples/llama/engine-client.mjs';

const [path, port, tokenMs, ids] = process.argv.slice(2);
const tellsIds = ids === 'ids';
const llama = startEngine({ path, sequences: 8, contextSize: 1024, stdio: 'ignore' });
await llama.ready;
let lastId = 0;
let scheduled = 0;
let running = 0;

class Refused extends Error {}

/** A chat as plain text; its last message is gone on with where that is asked for, without white space at its end. */
function chatText({
  messages,
  add_generation_prompt: isNew = true,
  continue_final_message: isContinued = false,
}) {
  if (isNew && isContinued)
    throw new Refused('Cannot set both `continue_final_message` and `add_generation_prompt` to True.');
  const line = ({ role, content }) => `${role}: ${content}`;
  if (!isContinued) return `${messages.map(line).join('\n')}\nassistant:`;
  const last = messages.at(-1);
  return `${[...messages.slice(0, -1).map(line), ''].join('\n')}assistant:${last.content.trimEnd()}`;
}

async function promptOf(body, isChat) {
  if (!isChat && Array.isArray(body.prompt)) return body.prompt;
  return llama.tokenize(isChat ? chatText(body) : body.prompt);
}

async function generate(body, isChat, response) {
  const prompt = await promptOf(body, isChat);
  lastId += 1;
  const id = `cmpl-${lastId}`;
  const wantsIds = tellsIds && body.return_token_ids === true;
  const head = {
    id,
    object: isChat ? 'chat.completion.chunk' : 'text_completion',
    created: 1,
    model: 'tiny',
  };
  let isFirst = true;
  const send = (choice, extra = {}) => {
    if (!response.headersSent)
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    response.write(
      `data: ${JSON.stringify({ ...head, choices: choice === null ? [] : [choice], ...extra })}\n\n`,
    );
  };
  const piece = (text, tokenIds, finish) => {
    const own = wantsIds ? { token_ids: tokenIds } : {};
    const promptIds = wantsIds && isFirst ? { prompt_token_ids: prompt } : {};
    isFirst = false;
    if (isChat)
      send(
        { index: 0, delta: text === '' ? {} : { content: text }, finish_reason: finish, ...own },
        promptIds,
      );
    else send({ index: 0, text, finish_reason: finish, ...own, ...promptIds });
  };
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const maxTokens = body.max_tokens ?? 16;
  let count = 0;
  running += 1;
  scheduled += prompt.length;
  try {
    if (isChat) {
      const promptIds = wantsIds ? { prompt_token_ids: prompt } : {};
      isFirst = false;
      send({ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }, promptIds);
    }
    if (body.tools?.length > 0) {
      const call = { index: 0, id: 'call-1', type: 'function', function: { name: 'look', arguments: '{' } };
      send({ index: 0, delta: { tool_calls: [call] }, finish_reason: null });
    }
    const request = { prompt, maxTokens, temperature: body.temperature ?? 1, seed: body.seed };
    for await (const { tokenId, bytes } of llama.generate(request, gone.signal)) {
      await sleep(Number(tokenMs));
      count += 1;
      scheduled += 1;
      piece(bytes.toString('utf8'), [tokenId], count === maxTokens ? 'length' : null);
    }
    if (count < maxTokens) piece('', [2], 'stop');
    if (body.stream_options?.include_usage === true)
      send(null, {
        usage: {
          prompt_tokens: prompt.length,
          completion_tokens: count,
          total_tokens: prompt.length + count,
        },
      });
    response.end('data: [DONE]\n\n');
  } finally {
    running -= 1;
  }
}

async function route(request, response) {
  const answer = (status, body, type = 'application/json') =>
    response.writeHead(status, { 'content-type': type }).end(body);
  switch (`${request.method} ${request.url}`) {
    case 'GET /health':
      return answer(200, '');
    case 'GET /v1/models':
      return answer(200, JSON.stringify({ object: 'list', data: [{ id: 'tiny', object: 'model' }] }));
    case 'GET /metrics':
      return answer(
        tellsIds ? 200 : 404,
        `vllm:num_requests_running{model_name="tiny"} ${running}.0\nvllm:iteration_tokens_total_sum{model_name="tiny"} ${scheduled}.0\nprocess_start_time_seconds ${process.pid}.5\n`,
        'text/plain',
      );
    case 'POST /v1/completions':
    case 'POST /v1/chat/completions': {
      const body = await json(request);
      if (body.stream !== true) throw new Refused('this server only streams');
      return generate(body, request.url.includes('chat'), response);
    }
    default:
      return answer(404, '{"detail":"Not Found"}');
  }
}

const server = createServer((request, response) => {
  route(request, response).catch((error) => {
    if (response.headersSent) response.destroy();
    else
      response
        .writeHead(error instanceof Refused ? 400 : 500, { 'content-type': 'application/json' })
        .end(JSON.stringify({ error: { message: error.message, type: 'BadRequestError', code: 400 } }));
  });
});
server.listen(Number(port), '127.0.0.1', () => {
  process.send({ url: `http://127.0.0.1:${server.address().port}` });
});
process.on('disconnect', () => process.exit());
