import { describe, expect, it } from 'vitest';
import { answerBody, createEventWriter } from '../../lib/worker/openai.js';
import { parseCompletion } from '../../lib/worker/request.js';
import { NEUTRAL } from '../../lib/worker/sampling.js';

describe('a request for completions', () => {
  it('has the defaults of the API', () => {
    expect(parseCompletion({ prompt: 'x' }, false)).toEqual({
      ...{ model: null, prompt: 'x', maxTokens: 256, temperature: 1, seed: null, stop: [], choices: 1 },
      ...{ stream: false, includeUsage: false, returnTokenIds: false },
      ...{ generated: [], choice: 0, isChat: false, messages: null },
      ...{ extra: {}, stateful: null, opaque: null, raw: null },
      sampling: NEUTRAL,
    });
  });

  it('takes null for unset, as clients send it', () => {
    const fields = { max_tokens: null, temperature: null, seed: null, stop: null, n: null, tools: null };
    expect(parseCompletion({ prompt: 'x', ...fields }, false)).toEqual(
      parseCompletion({ prompt: 'x' }, false),
    );
  });

  it('writes the roles of a chat as text, text parts included', () => {
    const messages = [
      { role: 'system', content: 'be brief' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'hel' },
          { type: 'text', text: 'lo' },
        ],
      },
    ];
    expect(parseCompletion({ messages }, true).prompt).toBe('system: be brief\nuser: hello\nassistant:');
  });

  it.each([
    [null, 'body'],
    [[], 'body'],
    [{}, 'prompt'],
    [{ prompt: [] }, 'prompt'],
    [{ prompt: ['a', 'b'] }, 'prompt'],
    [{ prompt: [-1] }, 'prompt'],
    [{ prompt: 'x', max_tokens: 0 }, 'max_tokens'],
    [{ prompt: 'x', max_tokens: 1.5 }, 'max_tokens'],
    [{ prompt: 'x', temperature: 3 }, 'temperature'],
    [{ prompt: 'x', n: 129 }, 'n'],
    [{ prompt: 'x', stop: [''] }, 'stop'],
    [{ prompt: 'x', stop: Array(17).fill('a') }, 'stop'],
    [{ prompt: 'x', stream: 'yes' }, 'stream'],
    [{ prompt: 'x', seed: 2 ** 60 }, 'seed'],
    [{ prompt: 'x', model: 7 }, 'model'],
    [{ prompt: 'x', logprobs: 5 }, 'logprobs'],
    [{ prompt: 'x', logprobs: 0 }, 'logprobs'],
    [{ prompt: 'x', echo: true }, 'echo'],
    [{ prompt: 'x', suffix: 'y' }, 'suffix'],
    [{ prompt: 'x', best_of: 2 }, 'best_of'],
    [{ prompt: 'x', guided_json: { type: 'object' } }, 'guided_json'],
    [{ prompt: 'x', stop_token_ids: [2] }, 'stop_token_ids'],
    [{ prompt: 'x', return_token_ids: 1 }, 'return_token_ids'],
    [{ prompt: 'x', mirostat: 2 }, 'mirostat'],
    [{ prompt: 'x', response_format: { type: 'json_schema' } }, 'response_format'],
  ])('is refused with the name of the field: %j', (body, param) => {
    expect(() => parseCompletion(body, false)).toThrow(
      expect.objectContaining({ param, message: expect.stringMatching(new RegExp(`^${param}: expected`)) }),
    );
  });

  it.each([
    [[], 'messages'],
    [[{ content: 'x' }], 'messages[0].role'],
    [[{ role: 'user' }], 'messages[0].content'],
    [[{ role: 'user', content: [{ type: 'image_url' }] }], 'messages[0].content[0]'],
  ])('names the part of a chat that is wrong: %j', (messages, param) => {
    expect(() => parseCompletion({ messages }, true)).toThrow(expect.objectContaining({ param }));
  });
});

describe('answers in the shape of the API', () => {
  const context = { id: 'i', model: 'm"', created: 7, isChat: true };
  const event = (text: string): unknown => JSON.parse(/^data: (.*)\n\n$/.exec(text)?.[1] ?? '');

  it('say whose a message is with the first piece of each choice', () => {
    const writer = createEventWriter(context);
    expect(event(writer.text(0, 'a\n"'))).toEqual({
      ...{ id: 'i', object: 'chat.completion.chunk', created: 7, model: 'm"' },
      choices: [{ index: 0, delta: { role: 'assistant', content: 'a\n"' }, finish_reason: null }],
    });
    expect(event(writer.text(0, 'b'))).toMatchObject({ choices: [{ delta: { content: 'b' } }] });
    expect(event(writer.text(1, 'c'))).toMatchObject({
      choices: [{ index: 1, delta: { role: 'assistant' } }],
    });
    expect(event(writer.choiceEnd(0, 'cancelled'))).toMatchObject({ choices: [{ finish_reason: 'stop' }] });
    expect(event(writer.usage({ promptTokens: 2, completionTokens: 3 }))).toMatchObject({
      choices: [],
      usage: { prompt_tokens: 2, completion_tokens: 3, total_tokens: 5 },
    });
  });

  it('have no role where there is no chat', () => {
    const writer = createEventWriter({ ...context, isChat: false });
    expect(event(writer.text(0, 'a'))).toMatchObject({
      object: 'text_completion',
      choices: [{ index: 0, text: 'a', finish_reason: null }],
    });
  });

  it('tell token ids where vLLM has them: of a chat beside the choices, of a completion with each', () => {
    const ids = { ...context, promptIds: [1, 2] };
    const chat = createEventWriter(ids);
    expect(event(chat.text(0, 'a', [7, 8]))).toMatchObject({
      choices: [{ index: 0, token_ids: [7, 8] }],
      prompt_token_ids: [1, 2],
    });
    expect(event(chat.choiceEnd(0, 'stop', []))).not.toHaveProperty('prompt_token_ids');
    const text = createEventWriter({ ...ids, isChat: false });
    expect(event(text.text(1, 'a', [7]))).toMatchObject({
      choices: [{ index: 1, token_ids: [7], prompt_token_ids: [1, 2] }],
    });
    expect(event(text.text(0, 'a', [7]))).toMatchObject({ choices: [{ prompt_token_ids: [1, 2] }] });
    expect(event(text.choiceEnd(0, 'stop', [9]))).toMatchObject({ choices: [{ token_ids: [9] }] });
    const choices = [{ text: 'a', reason: 'stop' as const, tokenIds: [7] }];
    const usage = { promptTokens: 2, completionTokens: 1 };
    expect(JSON.parse(answerBody(ids, choices, usage))).toMatchObject({
      prompt_token_ids: [1, 2],
      choices: [{ token_ids: [7] }],
    });
    expect(JSON.parse(answerBody({ ...ids, isChat: false }, choices, usage))).toMatchObject({
      choices: [{ token_ids: [7], prompt_token_ids: [1, 2] }],
    });
  });

  it('hold all choices in one body', () => {
    const choices = [
      { text: 'a', reason: 'stop' as const },
      { text: 'b', reason: 'length' as const },
    ];
    expect(JSON.parse(answerBody(context, choices, { promptTokens: 1, completionTokens: 2 }))).toMatchObject({
      object: 'chat.completion',
      choices: [
        { index: 0, message: { role: 'assistant', content: 'a' }, finish_reason: 'stop' },
        { index: 1, message: { content: 'b' }, finish_reason: 'length' },
      ],
    });
  });
});
