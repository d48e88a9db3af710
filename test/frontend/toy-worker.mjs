// A worker process with an engine without a model: each token is a hash of all that is before it, so that a lost, doubled
// or wrong one shows in the text. Steered by messages { tokenMs }, { hangs }, { kvBlocksUsed } of 100; tells { url, probes, pid },
// then { cancelled } a cancel.
//   node toy-worker.mjs NAME PORT TOKEN_MS [OPTIONS as JSON]
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';

const { serveWorker } = createRequire(import.meta.url)('../../dist/cjs/worker/serve-worker.js');
const [name, port, tokenMs, options = '{}'] = process.argv.slice(2);
const steer = { tokenMs: Number(tokenMs), hangs: false, kvBlocksUsed: 0 };
let step = 0;
let running = 0;
let scheduledTokens = 0;

function nextToken(history, choice) {
  let hash = 0x811c9dc5 ^ choice;
  for (const id of history) hash = Math.imul(hash ^ id, 0x01000193) >>> 0;
  return hash >>> 1;
}

/** Every fifth token begins with the second byte of the character that the one before ends with. */
function bytesOf(seq, id) {
  const word = Buffer.from(` t${id % 1000}`);
  const [first, second] = Buffer.from('é');
  return Buffer.concat([
    ...(seq % 5 === 0 && seq > 0 ? [Buffer.of(second)] : []),
    word,
    ...(seq % 5 === 4 ? [Buffer.of(first)] : []),
  ]);
}

async function* generate({ prompt, generated, maxTokens, choice }, scope) {
  const history = [...(typeof prompt === 'string' ? Buffer.from(prompt) : prompt)];
  const text = Buffer.from(history).toString();
  if (text.includes('numerical')) throw Object.assign(new Error('NaN'), { outcome: 'numerical' });
  for (const id of generated) {
    const isRight = nextToken(history, choice) === id;
    history.push(isRight ? id : 0);
  }
  scheduledTokens += history.length;
  running += 1;
  try {
    for (let seq = generated.length; seq < maxTokens; seq += 1) {
      await sleep(steer.tokenMs, undefined, { signal: scope.stopSignal });
      while (steer.hangs) await sleep(20, undefined, { signal: scope.stopSignal });
      if (text.includes('poison')) process.kill(process.pid, 'SIGKILL');
      step += 1;
      scheduledTokens += 1;
      const tokenId = nextToken(history, choice);
      history.push(tokenId);
      yield { seq, tokenId, bytes: bytesOf(seq, tokenId), tokens: 1 };
    }
  } catch (error) {
    if (scope.stopSignal.aborted) process.send({ cancelled: text });
    throw error;
  } finally {
    running -= 1;
  }
}

const worker = await serveWorker({
  ...JSON.parse(options),
  port: Number(port),
  name,
  engine: {
    model: 'toy',
    prompt(prompt) {
      const ids = typeof prompt === 'string' ? [...Buffer.from(prompt)] : prompt;
      return { tokens: ids.length, ids };
    },
    generate,
    figures: () => ({
      step,
      running,
      waiting: 0,
      scheduledTokens,
      kvBlocksUsed: steer.kvBlocksUsed,
      kvBlocksTotal: 100,
    }),
  },
});
process.on('message', (message) => Object.assign(steer, message));
process.on('disconnect', () => process.exit());
const [{ host, port: probePort }] = worker.health.listeners;
process.send({ url: worker.url, probes: `http://${host}:${probePort}`, pid: process.pid });
