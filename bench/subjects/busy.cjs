'use strict';
// What a subject does once it serves: tells its port, then blocks its main thread for a share of each 100 ms.
const { writeSync } = require('node:fs');

const PERIOD_MS = 100;

/** Options of this run: `{ busy: 0…100, port, … }`. */
const options = JSON.parse(process.argv[2] ?? '{}');

function block() {
  const until = performance.now() + (PERIOD_MS * options.busy) / 100;
  do {
    while (performance.now() < until);
  } while (options.busy >= 100);
  setTimeout(block, PERIOD_MS - (PERIOD_MS * options.busy) / 100);
}

/** Not before the next turn of the loop: what a subject still has to report from this one must be out. */
function serve(port) {
  setTimeout(() => {
    writeSync(1, `${JSON.stringify({ port })}\n`);
    if (options.busy > 0) block();
  }, 250);
}

// The same bytes for all that can choose them.
const body = '{"status":"healthy","timestamp":"2026-01-01T00:00:00.000Z"}';
const headers = {
  'Content-Type': 'application/json',
  'Cache-Control': 'no-store',
  'Content-Length': Buffer.byteLength(body),
};

module.exports = { options, serve, body, headers };
