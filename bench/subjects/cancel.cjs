'use strict';
// A streaming server on node:http whose engine gives every request a token each 100 ms, as decoding in one batch does.
// Options: `{ subject: 'inference-health' | 'bare' }`; bare has an AbortController a request and nothing else.
// Prints `{ port }`. On the line `cancel` it cancels all that runs, from its own side. When nothing runs any more it prints
// `{ ended: { ID: ns }, called: { ID: ns }, inFlight, listeners }`: when each handler had ended, and when it was cancelled
// here or the hang-up of its client was seen (CLOCK_MONOTONIC).
const { getEventListeners, once } = require('node:events');
const { createServer } = require('node:http');
const { writeSync } = require('node:fs');
const { createInterface } = require('node:readline');
const { startHealth } = require('inference-health');

const { subject } = JSON.parse(process.argv[2]);
const STEP_MS = 100;
const now = () => Number(process.hrtime.bigint());

let waiting = new Set();
setInterval(() => {
  const step = waiting;
  waiting = new Set();
  for (const resolve of step) resolve();
}, STEP_MS);
/** The next token, or the abort of the signal. */
const nextStep = (signal) =>
  new Promise((resolve) => {
    const done = () => {
      waiting.delete(done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    waiting.add(done);
    signal.addEventListener('abort', done);
  });

const running = new Map();
const called = {};
const ended = {};
let listeners = 0;

async function* decode(id, signal) {
  try {
    while (!signal.aborted) {
      yield { text: 'token', tokens: 1 };
      await nextStep(signal);
    }
  } finally {
    ended[id] = now();
    listeners += getEventListeners(signal, 'abort').length;
  }
}

async function main() {
  const health = await startHealth({ port: 0, host: '127.0.0.1', startupGraceMs: 0 });
  const endpoint = health.endpoint('generate').serve((id, scope) => decode(id, scope.stopSignal));
  const start = (id, client) => {
    if (subject === 'bare') {
      running.set(id, () => client.abort());
      return decode(id, client.signal);
    }
    running.set(id, () => endpoint.cancel(id));
    return endpoint.call(id, { id, signal: client.signal });
  };

  const server = createServer(async (request, response) => {
    const id = request.url.slice(1);
    const client = new AbortController();
    response.once('close', () => {
      called[id] ??= now();
      client.abort();
    });
    for await (const { text } of start(id, client)) response.write(`data: ${text}\n\n`);
    response.end();
    running.delete(id);
    if (running.size === 0) setImmediate(report);
  });
  const metrics = `http://127.0.0.1:${health.listeners[0].port}/metrics`;
  async function report() {
    const text = await (await fetch(metrics)).text();
    const inFlight = Number(/^inference_health_requests_in_flight (\d+)/m.exec(text)?.[1]);
    writeSync(1, `${JSON.stringify({ ended, called, inFlight, listeners })}\n`);
    for (const each of [ended, called]) for (const id of Object.keys(each)) delete each[id];
    listeners = 0;
  }
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
  await once(server, 'listening');
  createInterface({ input: process.stdin }).on('line', () => {
    for (const [id, cancel] of running) {
      called[id] = now();
      cancel();
    }
  });
  writeSync(1, `${JSON.stringify({ port: server.address().port })}\n`);
}

main().catch((error) => {
  writeSync(2, `${error.stack}\n`);
  process.exit(1);
});
