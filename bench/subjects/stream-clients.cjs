'use strict';
// Clients that stream, in a process of their own. One command a line, one answer a line:
//   { open: { port, streams, everyMs, maxTokens } }  starts them; each begins anew when its stream has ended. Answers when all
//                                  have a first token
//   { probe: { port } }            one more client, that asks for one token, again and again
//   { mark: true }                 answers `{ tokens, late: { p50, p99 }, first: { p50, p99 } }` since the last one, microseconds:
//                                  from a token's stamp to its arrival, and from a request to its first token
//   { close: true }
const net = require('node:net');
const { writeSync } = require('node:fs');
const { createInterface } = require('node:readline');

const TOKEN = Buffer.from('"finish_reason":null');
const END = '0\r\n\r\n';
const AT = '@'.charCodeAt(0);
const PROBE_REST_MS = 5;
const WAVE = 128;

const now = () => Number(process.hrtime.bigint()) / 1000;
const say = (value) => writeSync(1, `${JSON.stringify(value)}\n`);
const fail = (message) => {
  writeSync(2, `${message}\n`);
  process.exit(1);
};

let tokens = 0;
let late = [];
let first = [];
let sockets = [];

function percentiles(values) {
  values.sort((a, b) => a - b);
  const at = (share) => values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? null;
  return { p50: at(0.5), p99: at(0.99), count: values.length };
}

/** @param onEnd is told when an answer is complete, and gives when to ask again, milliseconds */
function stream({ port, everyMs, maxTokens }, { onFirst, onEnd, isProbe }) {
  const body = JSON.stringify({ prompt: `every ${everyMs}`, max_tokens: maxTokens, stream: true });
  const request = `POST /v1/completions HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
  sockets.push(socket);
  let askedUs = 0;
  let isWaiting = true;
  let tail = '';
  const ask = () => {
    if (socket.destroyed) return;
    askedUs = now();
    isWaiting = true;
    socket.write(request);
  };
  socket.on('connect', ask);
  socket.on('data', (chunk) => {
    if (isWaiting) {
      const at = chunk.indexOf(TOKEN);
      if (at < 0) {
        const text = chunk.toString('latin1', 0, 200);
        if (text.startsWith('HTTP/') && !text.startsWith('HTTP/1.1 200')) fail(`answered ${text}`);
        return;
      }
      isWaiting = false;
      if (isProbe || everyMs === 0) first.push(now() - askedUs);
      onFirst();
    }
    if (!isProbe) {
      for (let at = chunk.indexOf(TOKEN); at >= 0; at = chunk.indexOf(TOKEN, at + TOKEN.length)) tokens += 1;
      for (let at = chunk.indexOf(AT); at >= 0; ) {
        const end = chunk.indexOf(AT, at + 1);
        if (end < 0) break;
        const stampUs = Number(chunk.latin1Slice(at + 1, end));
        if (stampUs > 0) late.push(now() - stampUs);
        at = chunk.indexOf(AT, end + 1);
      }
    }
    const text = tail + chunk.latin1Slice(Math.max(0, chunk.length - 8));
    tail = text.slice(-8);
    if (!text.endsWith(END)) return;
    tail = '';
    onEnd(ask);
  });
  socket.on('error', (error) => fail(error.message));
  socket.on('close', () => {
    if (sockets.includes(socket)) fail('the server closed a stream');
  });
}

/** A few hundred at a time: thousands of connections at once overrun what a listener lets wait. */
function open(options) {
  let waiting = options.streams;
  let begun = 0;
  const more = () => {
    for (; begun < options.streams && begun - (options.streams - waiting) < WAVE; begun += 1)
      stream(options, { onFirst, onEnd: (ask) => ask(), isProbe: false });
  };
  let isOpened = false;
  const onFirst = () => {
    waiting -= 1;
    if (waiting > 0) return more();
    if (!isOpened) say({ opened: options.streams });
    isOpened = true;
  };
  more();
}

function probe({ port }) {
  const on = { onFirst: () => undefined, onEnd: (ask) => setTimeout(ask, PROBE_REST_MS), isProbe: true };
  stream({ port, everyMs: 1000, maxTokens: 1 }, on);
  say({ probing: true });
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line);
  if (command.open !== undefined) return open(command.open);
  if (command.probe !== undefined) return probe(command.probe);
  if (command.mark !== undefined) {
    say({ tokens, late: percentiles(late), first: percentiles(first) });
    tokens = 0;
    late = [];
    first = [];
    return;
  }
  const closing = sockets;
  sockets = [];
  for (const socket of closing) socket.destroy();
  say({ closed: closing.length });
});
say({ ready: true });
