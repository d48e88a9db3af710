// A probe server alone on a worker thread, with routes that show what the engine does with replies.
'use strict';
const { parentPort, workerData } = require('node:worker_threads');
const { loadHttpEngine } = require('../../dist/cjs/probe/http-engine.js');

const ALLOW = 'GET, HEAD, OPTIONS';
const errors = [];
const observed = [];

function replyOf(statusLine, contentType, text, extra) {
  const body = Buffer.alloc(Math.max(64, Buffer.byteLength(text)));
  const length = body.write(text);
  return { statusLine, contentType, allow: null, retryAfter: null, body, length, ...extra };
}

// As in production: one object and one buffer per route, written again by every call.
const counted = replyOf('200 OK', 'application/json', '');
let calls = 0;
function live() {
  calls += 1;
  counted.length = counted.body.write(`{"call":${calls},"text":"é"}`);
  return counted;
}

const echoed = replyOf('200 OK', 'text/plain', '');
echoed.body = Buffer.alloc(16_384);
function echo(request) {
  echoed.length = echoed.body.write(`query=${request.query()} accept=${request.accept()}`);
  return echoed;
}

const always = (statusLine, contentType, text, extra) => {
  const reply = replyOf(statusLine, contentType, text, extra);
  return () => reply;
};

const later = replyOf('200 OK', 'text/plain', 'later');
const bigReply = replyOf('200 OK', 'text/plain', 'x'.repeat(4 * 1024 * 1024));
const hugeReply = { ...later, body: Buffer.alloc(16 << 20, 'x'), length: 16 << 20 };
const paths = new Map([
  ['/live', live],
  ['/echo', echo],
  ['/unready', always('503 Service Unavailable', 'application/json', '{"ready":false}', { retryAfter: '7' })],
  ['/empty', always('200 OK', null, '')],
  ['/big', () => bigReply],
  ['/:id/*', always('200 OK', 'text/plain', 'literal')],
  [
    '/later-big',
    async () => {
      await new Promise(setImmediate);
      return bigReply;
    },
  ],
  ['/later-huge', () => Promise.resolve(hugeReply)],
  ['/medium', always('200 OK', 'text/plain', 'x'.repeat(64 * 1024))],
  [
    '/later',
    async (request) => {
      const delayMs = Number(request.query());
      await new Promise((resolve) => setTimeout(resolve, delayMs).unref());
      return later;
    },
  ],
  [
    '/blocks',
    () => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
      return later;
    },
  ],
  [
    '/throws',
    () => {
      throw new Error('thrown on purpose');
    },
  ],
  ['/rejects', () => Promise.reject(new Error('rejected on purpose'))],
  ['/malformed', () => ({ statusLine: '200 OK', contentType: 5, body: null, length: 3 })],
]);

const routes = {
  paths,
  notFound: always('404 Not Found', 'text/plain', 'not found'),
  methodNotAllowed: always('405 Method Not Allowed', null, '', { allow: ALLOW }),
  options: always('204 No Content', null, '', { allow: ALLOW }),
  observe: (path, statusLine, durationMs) => {
    if (observed.length < 100) observed.push({ path, statusLine, durationMs });
  },
};

const { server, engine, note } = loadHttpEngine(workerData.engine, {
  onError: (error) => errors.push(String(error)),
});

// What the probe thread does: an 'uncaughtException' listener turns a throw inside uWebSockets.js into an abort.
process.on('uncaughtException', (error) => errors.push(`uncaught: ${error}`));
const control = workerData.control === undefined ? null : new Int32Array(workerData.control);
function close() {
  server.close();
  if (control === null) return;
  Atomics.store(control, 0, 1);
  Atomics.notify(control, 0);
}
process.on('exit', close);

const commands = {
  listen: (target) => server.listen(target, routes),
  connections: () => server.connections(),
  errors: () => errors.splice(0),
  observed: () => observed.splice(0),
  close: () => server.close(),
  engine: () => ({ engine, note }),
  rss: () => process.memoryUsage().rss,
  throw: () => {
    process.removeAllListeners('uncaughtException');
    setImmediate(() => {
      throw new Error('the probe thread fails');
    });
  },
  exit: (code) => process.exit(code),
  end: () => {
    close();
    parentPort.close();
  },
};

parentPort.on('message', async ({ id, command, argument }) => {
  const result = await commands[command](argument);
  if (command !== 'end') parentPort.postMessage({ id, result });
});
