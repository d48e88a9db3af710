// An application with a probe server; it opens files when asked and tells how many it could open.
'use strict';
const { closeSync, openSync } = require('node:fs');
const { join } = require('node:path');
const { Worker } = require('node:worker_threads');

const worker = new Worker(join(__dirname, 'server-worker.cjs'), {
  workerData: { engine: process.argv[2] },
  execArgv: [],
});
const files = [];

function open(count) {
  let opened = 0;
  try {
    for (; opened < count; opened += 1) files.push(openSync('/dev/null'));
  } catch (error) {
    if (error.code !== 'EMFILE') throw error;
  }
  return opened;
}

worker.on('message', ({ id, result }) => {
  process.send(id === 1 ? result.bound.port : result);
});
process.on('message', ({ command, argument }) => {
  if (command === 'connections') worker.postMessage({ id: 2, command });
  else if (command === 'open') process.send(open(argument));
  else {
    for (const file of files.splice(0)) closeSync(file);
    process.send(0);
  }
});
process.on('disconnect', () => process.exit());
process.on('exit', () => worker.postMessage({ id: 3, command: 'end' }));
worker.postMessage({ id: 1, command: 'listen', argument: { kind: 'tcp', host: '127.0.0.1', port: 0 } });
