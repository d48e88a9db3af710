'use strict';
// One sample of the host from JavaScript, in three ways. `host-sample.cjs '{ kind, rounds, batch, pauseMs }'` prints `{ us }`: the median.
const os = require('node:os');
const { setTimeout: sleep } = require('node:timers/promises');

const options = JSON.parse(process.argv[2]);

const kinds = {
  /** The calls of `os` and `process`; no cgroup, no pressure, no cpu percentage. */
  'os and process': () => () => {
    os.cpus();
    os.totalmem();
    os.freemem();
    os.loadavg();
    os.uptime();
    process.memoryUsage();
    process.cpuUsage();
    process.constrainedMemory?.();
    process.availableMemory?.();
  },

  /** CPU and memory only: the cheapest part of what our sample says. Within 200 ms it would answer from its cache. */
  systeminformation() {
    const si = require('./peer.cjs')('systeminformation');
    return () => Promise.all([si.currentLoad(), si.mem()]);
  },

  /** What a thread of ours pays to see the last sample: one native call that copies it. */
  'read of the last sample'() {
    const { loadNative } = require('../../dist/cjs/native/loader.js');
    const { HOST_FIELDS } = require('../../dist/cjs/native/layout.js');
    const { native, report } = loadNative();
    if (native === null) throw new Error(report);
    native.startSampler({ root: '', hz: 1, perCore: false });
    const slots = new Float64Array(HOST_FIELDS.length);
    return () => native.read('host', slots);
  },
};

async function main() {
  const take = kinds[options.kind]();
  const first = take();
  const isAsync = first instanceof Promise;
  await first;
  const durations = [];
  // Calls far below a microsecond are timed by the thousand.
  const batch = options.batch ?? 1;
  for (let round = 0; round < options.rounds; round++) {
    if (options.pauseMs > 0) await sleep(options.pauseMs);
    const started = process.hrtime.bigint();
    if (isAsync) await take();
    else for (let index = 0; index < batch; index++) take();
    durations.push(Number(process.hrtime.bigint() - started) / 1e3 / batch);
  }
  durations.sort((a, b) => a - b);
  console.log(JSON.stringify({ us: durations[durations.length >> 1] }));
  process.exit(0);
}

main();
