'use strict';
// A server whose main thread is by turns blocked, collecting garbage and idle: `restless-main.cjs ENGINE SEED`.
// Prints `{ port }`, then one line for each state that has ended.
const { writeSync } = require('node:fs');
const { setTimeout: sleep } = require('node:timers/promises');
const { startHealth } = require('inference-health');

const [engine, seed] = process.argv.slice(2);
const print = (line) => writeSync(1, `${JSON.stringify(line)}\n`);

// mulberry32: 32 bits of state are enough to choose states and durations.
let random = Number(seed) >>> 0;
function uniform(low, high) {
  random = (random + 0x6d2b79f5) >>> 0;
  let mixed = Math.imul(random ^ (random >>> 15), random | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return low + (((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * (high - low);
}

const states = {
  blocked() {
    const until = performance.now() + uniform(50, 2000);
    while (performance.now() < until);
  },
  'collecting garbage'() {
    const until = performance.now() + uniform(50, 1000);
    const kept = [];
    while (performance.now() < until) {
      kept.push(Array.from({ length: 20_000 }, (_, index) => ({ index, text: `${index}` })));
      if (kept.length > 20) {
        kept.length = 10;
        global.gc();
      }
    }
  },
  idle: () => sleep(uniform(20, 500)),
};

async function main() {
  const health = await startHealth({
    port: 0,
    host: '127.0.0.1',
    httpEngine: engine,
    startupGraceMs: 0,
    stallStackAfterMs: 1000,
  });
  health.model.ready();
  health.engine.ready();
  const { port } = health.listeners.find((listener) => listener.kind === 'tcp');
  while ((await fetch(`http://127.0.0.1:${port}/health/live`)).status !== 200) await sleep(20);
  print({ port });
  const names = Object.keys(states);
  for (;;) {
    const state = names[Math.floor(uniform(0, names.length))];
    const started = performance.now();
    await states[state]();
    print({ state, ms: performance.now() - started });
    // The application's loop turns between any two states.
    await sleep(0);
  }
}

main();
