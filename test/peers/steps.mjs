// What a frontend owes its clients, whatever engine is behind it. Each step says what it saw, or throws what does not hold.
import { strict as assert } from 'node:assert';
import { ask, stream } from './client.mjs';
import { until } from './processes.mjs';

const PROMPT = 'who controls the past';
const CHAT = [{ role: 'user', content: 'who controls the past' }];
const SHORT = 40;
const TRIES = 5;

const completion = (extra = {}) => ({ prompt: PROMPT, temperature: 0, max_tokens: SHORT, ...extra });
const chat = (extra = {}) => ({ messages: CHAT, temperature: 0, max_tokens: SHORT, ...extra });
const ENDPOINTS = [
  ['completions', completion],
  ['chat/completions', chat],
];
const textOf = ({ text, message }) => text ?? message.content;
const ms = (value) => `${Math.round(value)} ms`;

/**
 * A stream whose server gets a signal in the middle, so that it goes on at the other one. Tried again where the stream was over
 * before its server was known: these models are fast.
 */
async function disturbed(world, path, body, signal, afterCharacters = 200) {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const answer = await struck(world, path, body, signal, afterCharacters);
    if (answer.moves > 0) return answer;
    world.peers.forEach((peer) => {
      peer.signal('SIGCONT');
    });
    await allServe(world);
  }
  throw new Error(`${TRIES} streams were over before their servers could be struck`);
}

async function struck({ frontend, peers }, path, body, signal, afterCharacters) {
  const before = await frontend.moves();
  let peer = null;
  let strike = null;
  const answer = await stream(frontend.url, path, body, {
    onText(text) {
      peer ??= frontend.busy().then((url) => peers.find((each) => url?.endsWith(each.url)));
      if (text.length < afterCharacters) return;
      strike ??= peer.then((busy) => (signal === 'SIGKILL' ? busy?.kill() : busy?.signal(signal)));
    },
  });
  await strike;
  return { ...answer, peer: await peer, moves: (await frontend.moves()) - before };
}

async function allServe({ frontend, peers }) {
  await Promise.all(peers.map((peer) => peer.start()));
  await frontend.serves(peers.length);
}

/** The same text as the server itself gives, all in one and streamed; usage and finish reason too. */
async function sameAsDirect({ frontend, peers }) {
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

async function stopStrings({ frontend, peers }) {
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

async function choices({ frontend }) {
  const { text } = await stream(frontend.url, 'completions', completion());
  const three = await stream(frontend.url, 'completions', completion({ n: 3 }));
  assert.deepEqual(three.texts, [text, text, text]);
  assert.equal(three.usage.completion_tokens, 3 * SHORT);
  return `n = 3: ${3 * SHORT} tokens counted`;
}

async function sampling({ frontend }) {
  const { text } = await stream(frontend.url, 'completions', completion());
  const narrow = await stream(frontend.url, 'completions', completion({ temperature: 2, top_k: 1, seed: 7 }));
  assert.equal(narrow.text, text, 'top_k 1 is greedy at any temperature');
  return 'top_k reaches the engine';
}

async function logprobs({ frontend }) {
  const { status, body } = await ask(frontend.url, 'completions', completion({ logprobs: 1, max_tokens: 4 }));
  assert.equal(status, 200);
  assert.ok(body.choices[0].logprobs !== null, 'log probabilities are there');
  return 'passed on as they come';
}

async function errors({ frontend }, engine) {
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

async function clientLeaves({ frontend, peers }, engine) {
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

const killed = (path, body) => async (world, engine) => {
  const { frontend } = world;
  const long = body({ max_tokens: engine.longTokens });
  const whole = await stream(frontend.url, path, long);
  const pausesMs = [];
  for (let round = 0; round < engine.rounds; round += 1) {
    const own = await disturbed(world, path, long, 'SIGKILL', 200 * (round + 1));
    await allServe(world);
    assert.deepEqual(own.errors, [], 'no error event');
    sameText(own.text, whole.text);
    assert.deepEqual([own.reason, own.isDone], [whole.reason, true]);
    assert.deepEqual(own.usage, whole.usage, 'usage');
    pausesMs.push(own.pauseMs);
  }
  return `${engine.rounds} of ${engine.rounds} texts of ${engine.longTokens} tokens equal (${whole.mode}); longest pause ${ms(Math.max(...pausesMs))}`;
};

function sameText(own, whole) {
  if (own === whole) return;
  let at = 0;
  while (own[at] === whole[at]) at += 1;
  const around = (text) => JSON.stringify(text.slice(Math.max(0, at - 30), at + 30));
  throw new Error(`text differs at ${at} of ${whole.length}: ${around(own)} instead of ${around(whole)}`);
}

async function killedBeforeStop(world, engine) {
  const { frontend } = world;
  const long = completion({ max_tokens: engine.longTokens });
  const { text } = await stream(frontend.url, 'completions', long);
  // The last of the words that comes but once, with the tail of the one before it.
  const words = text.split(' ');
  const at = text.indexOf(words.slice(-40, -36).join(' '));
  const stop = text.slice(at, at + 12);
  const own = await disturbed(world, 'completions', { ...long, stop }, 'SIGKILL');
  await allServe(world);
  sameText(own.text, text.slice(0, text.indexOf(stop)));
  assert.equal(own.reason, 'stop');
  return `cut at "${stop}", ${own.text.length} characters on`;
}

async function stopped(world, engine) {
  const { frontend } = world;
  const long = completion({ max_tokens: engine.longTokens });
  const whole = await stream(frontend.url, 'completions', long);
  const own = await disturbed(world, 'completions', long, 'SIGSTOP');
  try {
    sameText(own.text, whole.text);
    assert.deepEqual(own.errors, []);
    const atMs = performance.now();
    await until('the frozen server is out', async () => (await frontend.serving()).length === 1, 20_000);
    const outMs = performance.now() - atMs;
    own.peer.signal('SIGCONT');
    const backMs = performance.now();
    // Whoever was ejected comes back by a request that it answers.
    await until(
      'it is in use again',
      async () => {
        await ask(frontend.url, 'completions', completion({ max_tokens: 1 }));
        return (await frontend.serving()).length === 2;
      },
      90_000,
    );
    return `text equal, a pause of ${ms(own.pauseMs)}; out ${ms(outMs)} later; in again ${ms(performance.now() - backMs)} after SIGCONT`;
  } finally {
    own.peer.signal('SIGCONT');
  }
}

async function idleDeath(world) {
  const { frontend, peers } = world;
  const atMs = performance.now();
  await peers[1].kill();
  await until('it is out', async () => (await frontend.serving()).length === 1);
  const outMs = performance.now() - atMs;
  await allServe(world);
  return `out after ${ms(outMs)}, in again once it answers`;
}

async function allDead(world) {
  const { frontend, peers } = world;
  await Promise.all(peers.map((peer) => peer.kill()));
  await until('none is in use', async () => (await frontend.serving()).length === 0);
  const response = await fetch(`${frontend.url}/v1/completions`, {
    method: 'POST',
    body: JSON.stringify(completion()),
  });
  const { error } = await response.json();
  assert.deepEqual([response.status, error.code], [503, 'no_workers']);
  assert.ok(Number(response.headers.get('retry-after')) >= 1);
  assert.equal((await fetch(`${frontend.url}/live`)).status, 200);
  await allServe(world);
  assert.equal((await ask(frontend.url, 'completions', completion())).status, 200);
  return '503 no_workers with Retry-After, /live 200; serves again when they are back';
}

async function found({ frontend }) {
  const { status, instances } = await (await fetch(`${frontend.url}/health`)).json();
  assert.deepEqual([status, instances.length], ['healthy', 2]);
  const { data } = await (await fetch(`${frontend.url}/v1/models`)).json();
  assert.deepEqual(
    data.map(({ id }) => id),
    ['tiny'],
  );
  return '/health lists 2 instances, /v1/models the model';
}

export const STEPS = [
  ['found', 'servers that start after the frontend are found', found],
  ['same', 'answers are those of the server itself', sameAsDirect],
  ['stop', 'stop strings', stopStrings],
  ['n', 'several choices', choices],
  ['sampling', 'sampling options', sampling],
  ['logprobs', 'log probabilities', logprobs],
  ['errors', "the engine's refusals", errors],
  ['leave', 'a client that leaves', clientLeaves],
  ['kill', 'SIGKILL in a completion', killed('completions', completion)],
  ['kill-chat', 'SIGKILL in a chat', killed('chat/completions', chat)],
  ['kill-stop', 'SIGKILL before a stop string', killedBeforeStop],
  ['freeze', 'SIGSTOP in a completion', stopped],
  ['death', 'an idle server dies', idleDeath],
  ['all', 'all servers die', allDead],
];
