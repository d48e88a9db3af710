// An application whose probe server runs on a worker thread; it ends in the way its second argument names.
'use strict';
const { join } = require('node:path');
const { Worker } = require('node:worker_threads');

const [engine, scenario] = process.argv.slice(2);
const control = new SharedArrayBuffer(4);
const flags = new Int32Array(control);
const worker = new Worker(join(__dirname, 'server-worker.cjs'), {
  workerData: { engine, control },
  execArgv: [],
});
worker.unref();

let lastId = 0;
const tell = (command, argument) => worker.postMessage({ id: ++lastId, command, argument });

// The rule for every way in which the main thread ends: its 'exit' listener waits until the sockets are closed.
process.on('exit', () => {
  tell('end');
  Atomics.wait(flags, 0, 0, 500);
});

const later = (act) => setTimeout(act, 300);
const block = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

const scenarios = {
  'process.exit': () => later(() => process.exit(5)),
  'process.exit after a block': () =>
    later(() => {
      block(300);
      process.exit(5);
    }),
  'uncaught error': () =>
    later(() => {
      throw new Error('on purpose');
    }),
  'unhandled rejection': () => later(() => Promise.reject(new Error('on purpose'))),
  'natural end': () => later(() => {}),
  'exit code set': () =>
    later(() => {
      process.exitCode = 7;
    }),
  SIGTERM: () => setInterval(() => {}, 1_000),
  close: () =>
    later(() => {
      worker.ref();
      tell('end');
      worker.on('exit', (code) => process.exit(code === 0 ? 4 : 99));
    }),
  'error on the thread': () =>
    later(() => {
      worker.ref();
      worker.on('error', () => undefined);
      worker.on('exit', (code) => process.exit(code === 1 ? 3 : 99));
      tell('throw');
    }),
  'process.exit on the thread': () =>
    later(() => {
      worker.ref();
      worker.on('exit', (code) => process.exit(code === 6 ? 3 : 99));
      tell('exit', 6);
    }),
};

worker.on('message', ({ id, result }) => {
  if (id !== 1) return;
  process.stdout.write(`${result.bound.port}\n`);
  // Unref'd handles do not keep the process, so that it ends when the scenario does.
  scenarios[scenario]();
});
tell('listen', { kind: 'tcp', host: '127.0.0.1', port: 0 });
if (scenario === 'process.exit at once') process.exit(5);
else worker.ref();
worker.once('message', () => worker.unref());
