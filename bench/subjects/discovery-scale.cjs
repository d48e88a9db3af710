// What a frontend pays for instances that are registered: to take up a list of them, to take one change and render /health
// after it, to hold them, and to choose among that many workers. Prints one line of JSON.
//   node --expose-gc discovery-scale.cjs '{"instances":10000,"changes":200,"picks":500}'
const { createFrontendHealth } = require('../../dist/cjs/dialects/dynamo-frontend.js');
const { createView } = require('../../dist/cjs/discovery/view.js');
const { decodeRecord, encodeRecord, recordOf } = require('../../dist/cjs/discovery/record.js');
const { createRegister } = require('../../dist/cjs/frontend/register.js');

const { instances, changes, picks } = JSON.parse(process.argv[2]);
const name = { namespace: 'dynamo', component: 'backend', endpoint: 'generate' };
const nobody = { add() {}, remove() {}, setLeaving() {} };

function stored(index, life = 0) {
  const worker = `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}:8000`;
  const incarnation = `mf3k2a1b-${index}-${life}`;
  const own = { ...name, ref: { worker, incarnation }, model: 'm', url: `http://${worker}` };
  return { key: `i/${worker}`, value: encodeRecord(recordOf(own)) };
}
const read = ({ key, value }) => ({ key, record: decodeRecord(value) });
/** CPU time, microseconds: what else runs on the machine does not count. */
const time = (act) => {
  const started = process.cpuUsage();
  act();
  const { user, system } = process.cpuUsage(started);
  return user + system;
};
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
const heap = () => {
  global.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

const all = Array.from({ length: instances }, (_, index) => stored(index));
const before = heap();
const documented = createFrontendHealth();
const register = createRegister(documented, [], name, nobody);
const view = createView(register.onView);
let items = [];
const decodeUs = time(() => {
  items = all.map(read);
});
const listUs = time(() => view.apply('own', items, []));
items = [];
documented.health();
const bytesEach = (heap() - before) / instances;
const changeUs = [];
const renderUs = [];
for (let index = 0; index < changes; index += 1) {
  const item = stored((index * 7919) % instances, index + 1);
  changeUs.push(time(() => view.apply('own', [read(item)], [])));
  renderUs.push(time(() => documented.health()));
}
const cachedUs = [];
for (let index = 0; index < changes; index += 1) cachedUs.push(time(() => documented.health()));

const { createCandidates } = require('../../dist/cjs/frontend/candidates.js');
const { createBusyModels } = require('../../dist/cjs/frontend/busy-models.js');
const { createEjector } = require('../../dist/cjs/fleet/ejector.js');
const { createLoadView } = require('../../dist/cjs/fleet/load-view.js');
const { route } = require('../../dist/cjs/fleet/router.js');

const named = new Map();
const ejector = createEjector();
const loads = createLoadView();
const busy = createBusyModels({});
for (let index = 0; index < instances; index += 1) {
  const ref = { worker: `w${index}`, incarnation: '1' };
  const beacon = { model: 'm', ready: true, state: 'serving' };
  named.set(ref.worker, {
    ref,
    beacon,
    condition: 'alive',
    isGone: false,
    isLeaving: false,
    isRetired: false,
    problem: null,
  });
  ejector.add(ref, 0);
  loads.report(ref, { atMs: 0, activeTokens: index % 100, kvBlocksUsed: 0, kvBlocksTotal: 0 });
  busy.report('m', ref.worker, {
    kvRatio: Number.NaN,
    prefillTokens: Number.NaN,
    maxBatchedTokens: Number.NaN,
  });
}
const { random } = Math;
const candidates = createCandidates({ named, ejector, loads, busy, random });
const pick = () => route({ excluded: [], promptTokens: 100 }, candidates('m', 10), [random(), random()]);
if (pick() === null) throw new Error('nobody took the request');
const pickUs =
  time(() => {
    for (let count = 0; count < picks; count += 1) pick();
  }) / picks;

console.log(
  JSON.stringify({
    decodeUsEach: decodeUs / instances,
    listUsEach: listUs / instances,
    changeUs: median(changeUs),
    renderUs: median(renderUs),
    cachedUs: median(cachedUs),
    pickUs,
    bytesEach,
    bodyBytes: documented.health().body.length,
  }),
);
