'use strict';
// The bytes of one stream as a worker sends them, chunked, a token a chunk.
const WORDS = [' the', ' engine', 'ing', ' of', ' answers', ' a', ' 1', '.', ' which', ' first', 'ly', ' on'];
const STAMP_EVERY = 16;

const chunk = (text) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
const now = () => Number(process.hrtime.bigint() / 1000n);
const textOf = (seq) => (seq % STAMP_EVERY === 8 ? `@${now()}@` : WORDS[seq % WORDS.length]);
const head = (type) => `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n`;

exports.createFrames = (isFrames) => (isFrames ? frames : createEvents());

const WORD_FRAMES = WORDS.map((word) => `,"${Buffer.from(word).toString('base64')}"]\n`);
const frames = {
  begin: () =>
    head('application/vnd.inference-health.frames+ndjson') + chunk('{"prompt":{"tokens":4,"ids":null}}\n'),
  token(seq) {
    const text =
      seq % STAMP_EVERY === 8
        ? `,"${Buffer.from(textOf(seq)).toString('base64')}"]\n`
        : WORD_FRAMES[seq % WORDS.length];
    return chunk(`[${seq},${(seq * 7919) % 32_000}${text}`);
  },
  end: (length) => `${chunk(`{"finish":"length","length":${length}}\n`)}0\r\n\r\n`,
};

/** As `inference-health worker` writes them. */
function createEvents() {
  const created = Math.floor(Date.now() / 1000);
  const id = `req-${Math.random().toString(16).slice(2).padEnd(24, '0').slice(0, 24)}`;
  const before = `data: {"id":"${id}","object":"text_completion","created":${created},"model":"bench","choices":[{"index":0,"text":`;
  return {
    begin: () => head('text/event-stream; charset=utf-8'),
    token: (seq) => chunk(`${before}"${textOf(seq)}","finish_reason":null}]}\n\n`),
    end: () => `${chunk(`${before}"","finish_reason":"length"}]}\n\n`)}${chunk('data: [DONE]\n\n')}0\r\n\r\n`,
  };
}
