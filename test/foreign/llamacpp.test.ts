import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { type Frontend, startFrontend } from '../../dist/cjs/frontend/frontend.js';
import { until } from '../helpers/package.js';
import { CLI, withProgram } from '../helpers/program.js';

/** Answers in the form of llama.cpp's own server, as `npm run peers -- llamacpp` meets it. */
const HEAD = { created: 1795257987, model: 'tiny', system_fingerprint: 'b0-unknown' };
const WORDS = [' cold', ' present', ' in'];
const USAGE = { completion_tokens: 3, prompt_tokens: 5, total_tokens: 8 };
const TIMINGS = { cache_n: 4, prompt_n: 1, predicted_n: 3 };

function completionEvents(): object[] {
  const head = { ...HEAD, object: 'text_completion', id: 'chatcmpl-rwaEswDn' };
  const choice = (text: string, reason: string | null) => [
    { text, index: 0, logprobs: null, finish_reason: reason },
  ];
  return [
    ...WORDS.map((word) => ({ choices: choice(word, null), ...head })),
    { choices: choice('', 'length'), ...head, usage: USAGE, timings: TIMINGS },
  ];
}

function chatEvents(): object[] {
  const head = { ...HEAD, object: 'chat.completion.chunk', id: 'chatcmpl-AyAuYM5y' };
  const choice = (delta: object, reason: string | null) => [{ finish_reason: reason, index: 0, delta }];
  return [
    { choices: choice({ role: 'assistant', content: null }, null), ...head },
    ...WORDS.map((content) => ({ choices: choice({ content }, null), ...head })),
    { choices: choice({}, 'length'), ...head },
    { choices: [], ...head, usage: USAGE, timings: TIMINGS },
  ];
}

const TOO_LONG = {
  code: 400,
  message: 'request (3002 tokens) exceeds the available context size (1024 tokens), try increasing it',
  type: 'exceed_context_size_error',
  n_prompt_tokens: 3002,
  n_ctx: 1024,
};

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const send = (status: number, body: object): void => {
    response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
    response.end(JSON.stringify(body));
  };
  if (request.url === '/health') return send(200, { status: 'ok' });
  if (request.url === '/v1/models')
    return send(200, {
      models: [{ name: 'tiny' }],
      object: 'list',
      data: [{ id: 'tiny', aliases: ['tiny'] }],
    });
  const { prompt = '' } = (await json(request)) as { prompt?: string };
  if (prompt.length > 100) return send(400, { error: TOO_LONG });
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const events = request.url?.includes('chat') === true ? chatEvents() : completionEvents();
  for (const event of events) response.write(`data: ${JSON.stringify(event)}\n\n`);
  // It ends its streams with one empty line more than others.
  response.end('data: [DONE]\n\n\n');
}

async function withServer(use: (url: string) => Promise<void>): Promise<void> {
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await use(`llamacpp+http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

async function withFrontend(use: (frontend: Frontend) => Promise<void>): Promise<void> {
  await withServer(async (url) => {
    const frontend = await startFrontend({ port: 0, workers: [url] });
    try {
      await until(() => frontend.workers().every(({ model }) => model === 'tiny'));
      await use(frontend);
    } finally {
      await frontend.close();
    }
  });
}

const ask = (url: string, path: string, body: object): Promise<Response> =>
  fetch(`${url}/v1/${path}`, { method: 'POST', body: JSON.stringify({ max_tokens: 3, ...body }) });

it.each([
  ['completions', { prompt: 'who controls the past' }],
  ['chat/completions', { messages: [{ role: 'user', content: 'who controls the past' }] }],
])("reads a stream of llama.cpp's server: %s", async (path, body) => {
  await withFrontend(async ({ url }) => {
    const { choices, usage } = (await (await ask(url, path, body)).json()) as {
      choices: { text?: string; message?: { content: string }; finish_reason: string }[];
      usage: object;
    };
    const [choice] = choices;
    expect(choice?.text ?? choice?.message?.content).toBe(WORDS.join(''));
    expect(choice?.finish_reason).toBe('length');
    expect(usage).toEqual(USAGE);
  });
});

it('says of several choices how they move before the first of them has a token', async () => {
  await withFrontend(async ({ url }) => {
    const streamed = await ask(url, 'completions', { prompt: 'x', n: 3, stream: true });
    expect(streamed.headers.get('x-migration-mode')).toBe('text');
    expect(await streamed.text()).toContain('[DONE]');
  });
});

it("passes on why llama.cpp's server refuses a request in its own words", async () => {
  await withFrontend(async ({ url }) => {
    const refused = await ask(url, 'completions', { prompt: 'x'.repeat(200) });
    expect([refused.status, refused.headers.get('x-migration-mode')]).toEqual([400, 'text']);
    expect(await refused.json()).toEqual({
      error: { message: TOO_LONG.message, type: 'invalid_request_error', param: null, code: 'invalid' },
    });
  });
});

it('stands before servers of others as a command, and not beside discovery', async () => {
  await withServer(async (worker) => {
    const command = [...CLI, 'frontend', '--workers', worker, '--http-port', '0'];
    await withProgram(command, {}, async (program) => {
      const [, url = ''] = await program.prints(/"url":"(http:[^"]+)","probes"/);
      await until(async () => (await (await fetch(`${url}/v1/models`)).text()).includes('"tiny"'));
      expect((await ask(url, 'completions', { prompt: 'x' })).status).toBe(200);
    });
    await withProgram([...command, '--discovery', 'memory'], {}, async (program) => {
      expect(await program.exit()).toBe(78);
      expect(program.stderr()).toMatch(
        /discovery: expected none beside servers of others, received "memory"/,
      );
    });
  });
});
