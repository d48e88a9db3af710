// Steps without a fault: answers, refusals and clients that leave.
import { strict as assert } from 'node:assert';
import { completion, ENDPOINTS, ms, PROMPT, SHORT, textOf } from './bodies.mjs';
import { ask, stream } from './client.mjs';
import { until } from './processes.mjs';

/** The same text as the server itself gives, all in one and streamed; usage and finish reason too. */
export async function sameAsDirect({ frontend, peers }) {
  for (const [path, body] of ENDPOINTS) {
    const { body: direct } = await ask(peers[0].url, path, body({ model: 'tiny' }));
    const { body: whole } = await ask(frontend.url, path, body());
    const streamed = await stream(frontend.url, path, body());
    const [{ finish_reason: reason }] = direct.choices;
    assert.equal(textOf(whole.choices[0]), textOf(direct.choices[0]), `${path}: text`);
    assert.equal(streamed.text, textOf(direct.choices[0]), `${path}: streamed text`);
    assert.deepEqual(
      [whole.choices[0].finish_reason, streamed.reason],
      [reason, reason],
      `${path}: finish reason`,
    );
    assert.ok(streamed.isDone, `${path}: [DONE]`);
    for (const usage of [whole.usage, streamed.usage])
      for (const key of ['prompt_tokens', 'completion_tokens', 'total_tokens'])
        assert.equal(usage[key], direct.usage[key], `${path}: ${key}`);
  }
  return 'completions and chats, streamed and not: text, reason and usage equal';
}

export async function stopStrings({ frontend, peers }) {
  for (const [path, body] of ENDPOINTS) {
    const { text } = await stream(frontend.url, path, body());
    const words = text.split(' ');
    const stop = `${words[8].slice(-2)} ${words[9]}`;
    const { body: direct } = await ask(peers[0].url, path, body({ model: 'tiny', stop }));
    const streamed = await stream(frontend.url, path, body({ stop }));
    assert.equal(streamed.text, text.slice(0, text.indexOf(stop)), `${path}: cut`);
    assert.equal(streamed.text, textOf(direct.choices[0]), `${path}: as the server cuts it`);
    assert.equal(streamed.reason, 'stop');
  }
  return 'cut where the server itself cuts';
}

export async function choices({ frontend }) {
  const { text } = await stream(frontend.url, 'completions', completion());
  const three = await stream(frontend.url, 'completions', completion({ n: 3 }));
  assert.deepEqual(three.texts, [text, text, text]);
  assert.equal(three.usage.completion_tokens, 3 * SHORT);
  return `n = 3: ${3 * SHORT} tokens counted`;
}

export async function sampling({ frontend }) {
  const { text } = await stream(frontend.url, 'completions', completion());
  const narrow = await stream(frontend.url, 'completions', completion({ temperature: 2, top_k: 1, seed: 7 }));
  assert.equal(narrow.text, text, 'top_k 1 is greedy at any temperature');
  return 'top_k reaches the engine';
}

export async function logprobs({ frontend }) {
  const { status, body } = await ask(frontend.url, 'completions', completion({ logprobs: 1, max_tokens: 4 }));
  assert.equal(status, 200);
  assert.ok(body.choices[0].logprobs !== null, 'log probabilities are there');
  return 'passed on as they come';
}

export async function errors({ frontend }, engine) {
  const long = `${PROMPT} `.repeat(3000);
  const { status, body } = await ask(frontend.url, 'completions', completion({ prompt: long }));
  assert.equal(status, 400);
  assert.match(body.error.message, engine.tooLong);
  assert.equal(body.error.type, 'invalid_request_error');
  const unknown = await ask(frontend.url, 'completions', completion({ model: 'nobody-has-this' }));
  assert.deepEqual([unknown.status, unknown.body.error.code], [404, 'model_not_found']);
  const garbage = await ask(frontend.url, 'completions', '{"prompt"');
  assert.equal(garbage.status, 400);
  // An error of the request is none of the server's.
  assert.equal((await frontend.serving()).length, 2);
  return `too long: 400 "${body.error.message.slice(0, 60)}…"; unknown model 404; no JSON 400`;
}

export async function clientLeaves({ frontend, peers }, engine) {
  const pausesMs = [];
  for (const [path, body] of ENDPOINTS) {
    const leave = new AbortController();
    const options = { signal: leave.signal, onText: (text) => text.length > 100 && leave.abort() };
    const before = await tokensOf(peers);
    await stream(frontend.url, path, body({ max_tokens: engine.longTokens }), options).catch(() => null);
    const atMs = performance.now();
    await until('the engine stops', async () => (await runningOf(peers)) === 0);
    pausesMs.push(performance.now() - atMs);
    const made = (await tokensOf(peers)) - before;
    assert.ok(made < engine.longTokens, `${made} of ${engine.longTokens} tokens were made for nobody`);
  }
  return `idle after ${pausesMs.map(ms).join(', ')}, as the server's own metrics say`;
}

const sum = async (peers, key) =>
  (await Promise.all(peers.map((peer) => peer.figures()))).reduce(
    (total, figures) => total + figures[key],
    0,
  );
const tokensOf = (peers) => sum(peers, 'tokens');
const runningOf = (peers) => sum(peers, 'running');

export async function found({ frontend }) {
  const { status, instances } = await (await fetch(`${frontend.url}/health`)).json();
  assert.deepEqual([status, instances.length], ['healthy', 2]);
  const { data } = await (await fetch(`${frontend.url}/v1/models`)).json();
  assert.deepEqual(
    data.map(({ id }) => id),
    ['tiny'],
  );
  return '/health lists 2 instances, /v1/models the model';
}
