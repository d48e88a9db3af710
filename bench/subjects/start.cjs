'use strict';
// Calls startHealth with every thread of libuv's pool stuck and blocks the main thread in the next statement.
// Options: `{ engine, port, fifo, blocked }`; prints `{ calledAtNs }` (CLOCK_MONOTONIC) before the call.
const { open, writeSync } = require('node:fs');
const { startHealth } = require('inference-health');

const options = JSON.parse(process.argv[2]);
const POOL_THREADS = 4;

if (options.blocked) {
  // Opening a FIFO that nobody writes to does not return: the pool is stuck, and uses no CPU that others could miss.
  for (let index = 0; index < POOL_THREADS; index++) open(options.fifo, 'r', () => {});
}
setTimeout(() => {
  const calledAtNs = process.hrtime.bigint();
  startHealth({ port: options.port, host: '127.0.0.1', httpEngine: options.engine, startupGraceMs: 0 }).catch(
    (error) => {
      writeSync(2, `${error.stack}\n`);
      process.exit(1);
    },
  );
  writeSync(1, `${JSON.stringify({ calledAtNs: Number(calledAtNs) })}\n`);
  while (options.blocked);
}, 100);
setInterval(() => {}, 1 << 30);
