// Steps in which a server is killed or stopped.
import { strict as assert } from 'node:assert';
import { completion, ms } from './bodies.mjs';
import { ask, stream } from './client.mjs';
import { until } from './processes.mjs';

const TRIES = 5;

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

export const killed = (path, body) => async (world, engine) => {
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

export async function killedBeforeStop(world, engine) {
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

export async function stopped(world, engine) {
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

export async function idleDeath(world) {
  const { frontend, peers } = world;
  const atMs = performance.now();
  await peers[1].kill();
  await until('it is out', async () => (await frontend.serving()).length === 1);
  const outMs = performance.now() - atMs;
  await allServe(world);
  return `out after ${ms(outMs)}, in again once it answers`;
}

export async function allDead(world) {
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
