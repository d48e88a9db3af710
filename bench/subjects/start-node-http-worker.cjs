'use strict';
// The same start with the least that could answer: a worker with a bare node:http server.
const { open, writeSync } = require('node:fs');
const { Worker, isMainThread, workerData } = require('node:worker_threads');

if (isMainThread) {
  const options = JSON.parse(process.argv[2]);
  if (options.blocked) for (let index = 0; index < 4; index++) open(options.fifo, 'r', () => {});
  setTimeout(() => {
    const calledAtNs = process.hrtime.bigint();
    new Worker(__filename, { workerData: options.port });
    writeSync(1, `${JSON.stringify({ calledAtNs: Number(calledAtNs) })}\n`);
    while (options.blocked);
  }, 100);
} else {
  require('node:http')
    .createServer((_request, response) => response.end())
    .listen(workerData, '127.0.0.1');
}
