'use strict';
// What the memory and the CPU of inference-health are measured over. Options: `{ load, worker }`.
const { Worker, isMainThread } = require('node:worker_threads');
const { options, serve } = require('./busy.cjs');

if (isMainThread) {
  setInterval(() => {}, 1 << 30);
  if (options.load) require('inference-health');
  if (options.worker) new Worker(__filename, { argv: process.argv.slice(2) });
  serve(0);
} else {
  if (options.worker === 'http') require('node:http').createServer().listen(0, '127.0.0.1');
  setInterval(() => {}, 1 << 30);
}
