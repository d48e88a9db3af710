'use strict';
// A worker that costs next to nothing: tokens as frames for a frontend, the same tokens as OpenAI's events for anyone else, from
// strings and raw sockets. The prompt says how fast: `every N` milliseconds, 0: one a turn of the event loop while they are
// read. The first token comes at once; every 16th token is the time at which it was written (µs of CLOCK_MONOTONIC between
// two @). Prints `{ port }`.
const net = require('node:net');
const { createFrames } = require('./stream-bytes.cjs');

const GROUPS = 8;
const BEACON_MS = 250;
const FRAMES = 'application/vnd.inference-health.frames+ndjson';

let step = 0;
let running = 0;
const paced = new Map();
const free = new Set();
let lastGroup = 0;

/** As workers' batches do, a group steps at once, the groups one after the other. */
function enter(stream, everyMs) {
  if (everyMs === 0) {
    free.add(stream);
    turn();
    return () => free.delete(stream);
  }
  if (!paced.has(everyMs)) paced.set(everyMs, startGroups(everyMs));
  lastGroup = (lastGroup + 1) % GROUPS;
  const group = paced.get(everyMs)[lastGroup];
  group.add(stream);
  return () => group.delete(stream);
}

function startGroups(everyMs) {
  const groups = Array.from({ length: GROUPS }, () => new Set());
  groups.forEach((group, index) => {
    let dueMs = performance.now() + (everyMs * index) / GROUPS;
    const next = () => {
      for (const stream of group) stream.token();
      dueMs = Math.max(dueMs + everyMs, performance.now());
      setTimeout(next, dueMs - performance.now());
    };
    setTimeout(next, dueMs - performance.now());
  });
  return groups;
}

let isTurning = false;
function turn() {
  if (isTurning) return;
  isTurning = true;
  setImmediate(() => {
    isTurning = false;
    for (const stream of free) if (!stream.socket.writableNeedDrain) stream.token();
    if (free.size > 0) turn();
  });
}

function serve(socket, head, body) {
  if (head.startsWith('GET /v1/beacons')) return beacons(socket);
  const { prompt, max_tokens: maxTokens, generated = [] } = JSON.parse(body);
  const frames = createFrames(head.includes(FRAMES));
  let seq = generated.length;
  let leave = () => undefined;
  const close = () => {
    if (leave === null) return;
    running -= 1;
    leave();
    leave = null;
  };
  const stream = {
    socket,
    token() {
      step += 1;
      const bytes = frames.token(seq);
      seq += 1;
      if (seq < maxTokens) return socket.write(bytes);
      socket.write(bytes + frames.end(seq));
      close();
    },
  };
  running += 1;
  socket.leave = close;
  socket.write(frames.begin());
  const everyMs = Number(/every (\d+)/.exec(typeof prompt === 'string' ? prompt : '')?.[1] ?? 0);
  stream.token();
  if (leave !== null) leave = enter(stream, everyMs);
}

function beacons(socket) {
  socket.write('HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n');
  const tell = () => {
    const beacon = {
      ...{ worker: 'stream-worker', incarnation: `i${process.pid}`, model: 'bench', state: 'serving' },
      ...{ ready: true, engineStep: step, running, waiting: 0, scheduledTokens: step, activeTokens: running },
      ...{ kvBlocksUsed: 0, kvBlocksTotal: 1000, expectedStepMs: 25 },
    };
    const line = `${JSON.stringify(beacon)}\n`;
    socket.write(`${line.length.toString(16)}\r\n${line}\r\n`);
  };
  tell();
  const timer = setInterval(tell, BEACON_MS);
  socket.leave = () => clearInterval(timer);
}

const server = net.createServer({ noDelay: true }, (socket) => {
  let text = '';
  socket.leave = () => undefined;
  socket.on('error', () => undefined);
  socket.on('close', () => socket.leave());
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    const end = text.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = text.slice(0, end);
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    if (text.length < end + 4 + length) return;
    const body = text.slice(end + 4, end + 4 + length);
    text = text.slice(end + 4 + length);
    serve(socket, head, body);
  });
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  console.log(JSON.stringify({ port: server.address().port }));
});
