'use strict';
// inference-health, with either HTTP engine.
const { startHealth } = require('inference-health');
const { options, serve } = require('./busy.cjs');

async function main() {
  const health = await startHealth({
    port: options.port ?? 0,
    host: '127.0.0.1',
    httpEngine: options.engine,
    sampleHz: options.sampleHz ?? 1,
    startupGraceMs: 0,
    stallStackAfterMs: options.stallStackAfterMs ?? 1000,
    ...(options.gpu === undefined ? {} : { gpu: options.gpu }),
  });
  health.model.ready();
  health.engine.ready();
  for (let index = 0; index < (options.components ?? 0); index++) {
    health.component(`shard_${index}`).set('healthy', 'shard.ok', 'Shard answers');
  }
  const listener = health.listeners.find((each) => each.kind === 'tcp');
  // Nothing else may keep the process alive: the library does not.
  setInterval(() => {}, 1 << 30);
  serve(listener.port);
}

main();
