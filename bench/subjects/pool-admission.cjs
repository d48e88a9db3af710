'use strict';
// Cost of the admission of a pool. `pool-admission.cjs '{ waiting, count }'` prints `{ rejectUs, admitUs }`: an arrival that is
// refused while so many wait, and an arrival, ten tokens and a release of one that is admitted. CPU time: what else runs on the machine does not count.
const { createPoolAdmission } = require('../../dist/cjs/fleet/admission/admission.js');

const { waiting, count } = JSON.parse(process.argv[2]);
const room = { hasRoom: true, tokensPerSecond: 10_000, prefill: { tokensPerSecond: 10_000, baseMs: 10 } };
const sizes = { promptTokens: 500, cachedTokens: 0, expectedTokens: 100, bytes: 2000 };
const classes = ['interactive', 'default', 'bulk'].map((name) => {
  return { name, reservedTokens: 0, maxQueue: waiting, queueTimeoutMs: 3_600_000, promoteAfterMs: 3_600_000 };
});
// The bound of bytes refuses the next one, when all other looks have been taken.
const options = { classes, maxConcurrent: 64, maxQueueBytes: 2000 * waiting, codel: {}, feasibility: true };
const admission = createPoolAdmission(options);
let id = 0;
const arrive = () => {
  id += 1;
  const tenant = `tenant ${id % 200}`;
  const priority = classes[id % 3].name;
  const deadlineMs = 3_600_000;
  return admission.arrive({ ...sizes, atMs: id / 1000, id, tenant, priority, deadlineMs, random: 0.5 }, room);
};
const inFlight = [];
while (admission.queued < waiting) for (const effect of arrive()) inFlight.push(effect.id);

function timed(step) {
  const runs = [];
  for (let run = 0; run < 9; run += 1) {
    const started = process.cpuUsage();
    for (let n = 0; n < count; n += 1) step();
    const { user, system } = process.cpuUsage(started);
    runs.push((user + system) / count);
  }
  return runs.sort((a, b) => a - b)[4];
}

function reject() {
  const [effect] = arrive();
  if (effect?.type !== 'reject') throw new Error('it was not refused');
}
function admit() {
  const done = inFlight.shift();
  for (let token = 0; token < 10; token += 1) admission.progress(done, 1);
  for (const effect of admission.release(done, id / 1000, room)) inFlight.push(effect.id);
  if (arrive().length > 0) throw new Error('it was not queued');
}
const rejectUs = waiting > 0 ? timed(reject) : null;
console.log(JSON.stringify({ rejectUs, admitUs: timed(admit) }));
setInterval(() => undefined, 60_000);
