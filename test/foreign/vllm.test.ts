import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { startFrontend } from '../../dist/cjs/frontend/frontend.js';
import { until } from '../helpers/package.js';

/** Events in the form of vLLM 0.32's own server, as `npm run peers -- vllm` meets it. */
const PROMPT_IDS = [17, 18, 12, 19];
const WORDS: readonly (readonly [string, number])[] = [
  [' future', 20],
  [' striking', 15],
  [' keep', 26],
  [' from', 31],
];
const HEAD = { created: 1795258985, model: 'tiny' };

interface Asked {
  readonly path: string;
  readonly body: {
    readonly prompt?: unknown;
    readonly max_tokens?: number;
    readonly return_token_ids?: boolean;
  };
}

function chatEvents(): object[] {
  const head = { id: 'chatcmpl-863d57e9', object: 'chat.completion.chunk', ...HEAD };
  const role = { index: 0, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null };
  return [
    { ...head, choices: [role], prompt_token_ids: PROMPT_IDS, prompt_text: null },
    ...WORDS.slice(0, 2).map(([content, id]) => ({
      ...head,
      choices: [{ index: 0, delta: { content }, logprobs: null, finish_reason: null, token_ids: [id] }],
    })),
  ];
}

/** Of what follows `generated` tokens; the last token comes with the reason. */
function completionEvents(generated: number, prompt: unknown): object[] {
  const head = { id: 'cmpl-9f2600ba', object: 'text_completion', ...HEAD };
  const rest = WORDS.slice(generated);
  return [
    ...rest.map(([text, id], index) => ({
      ...head,
      choices: [
        {
          ...{ index: 0, text, logprobs: null, stop_reason: null },
          finish_reason: index === rest.length - 1 ? 'length' : null,
          prompt_token_ids: index === 0 ? prompt : null,
          token_ids: [id],
        },
      ],
    })),
    {
      ...head,
      choices: [],
      usage: { prompt_tokens: 6, total_tokens: 6 + rest.length, completion_tokens: rest.length },
      system_fingerprint: 'vllm-0.32.0-81bcc565',
    },
  ];
}

const write = (response: ServerResponse, events: readonly object[]): void => {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  for (const event of events) response.write(`data: ${JSON.stringify(event)}\n\n`);
};

/** A chat breaks off behind its second token; a completion is whole. */
async function answer(request: IncomingMessage, response: ServerResponse, asked: Asked[]): Promise<void> {
  const path = request.url ?? '';
  if (path === '/health') return void response.end();
  if (path === '/v1/models') {
    const model = { id: 'tiny', object: 'model', owned_by: 'vllm', root: 'hf', parent: null };
    return void response.end(JSON.stringify({ object: 'list', data: [model] }));
  }
  if (path === '/metrics') return void response.writeHead(404).end();
  const body = (await json(request)) as Asked['body'];
  asked.push({ path, body });
  if (path.includes('chat')) {
    write(response, chatEvents());
    setTimeout(() => request.socket.destroy(), 50);
  } else {
    write(response, completionEvents(2, body.prompt));
    response.end('data: [DONE]\n\n');
  }
}

it('moves a chat of vLLM by the ids that it has told', async () => {
  const asked: Asked[] = [];
  const servers = [1, 2].map(() =>
    createServer((request, response) => void answer(request, response, asked)).listen(0, '127.0.0.1'),
  );
  await until(() => servers.every((server) => server.listening));
  const workers = servers.map((server) => `vllm+http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const frontend = await startFrontend({ port: 0, workers });
  try {
    await until(() => frontend.workers().every(({ model }) => model === 'tiny'));
    const messages = [{ role: 'user', content: 'who controls the past' }];
    const response = await fetch(`${frontend.url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ messages, max_tokens: 4, temperature: 0 }),
    });
    expect(await response.json()).toMatchObject({
      choices: [{ message: { content: ' future striking keep from' }, finish_reason: 'length' }],
      usage: { prompt_tokens: 4, completion_tokens: 4, total_tokens: 8 },
    });
    expect(response.headers.get('x-migration-mode')).toBe('token');
    expect(asked).toMatchObject([
      { path: '/v1/chat/completions', body: { max_tokens: 4, return_token_ids: true } },
      {
        path: '/v1/completions',
        body: { max_tokens: 2, return_token_ids: true, prompt: [...PROMPT_IDS, 20, 15] },
      },
    ]);
  } finally {
    await frontend.close();
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  }
});
