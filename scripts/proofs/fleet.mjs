// A fleet of real processes under steady load, whose every text is compared with that of an undisturbed run, while all that can
// fail about it fails: workers restarted one after the other, killed at random, all killed; etcd without its leader, without
// any member, without its data; NATS gone. Needs `npm test` to have installed the engine; --engine toy does without.
//
//   npm run proof -- fleet [--only rolling --only survivors --only all --only etcd --only nats]
//                          [--for 300] [--outage 60] [--engine llama|toy] [--streams 16] [--workers 4] [--seed 1] [--log]
//
// --for: seconds of `survivors` and of leaders killed; --outage: seconds without etcd and NATS. --log prints what happened.
import { createRequire } from 'node:module';
import { parseArgs } from '../lib/parse-args.mjs';

const { runScenario, startFleet, streamCompletion } = createRequire(import.meta.url)(
  '../../dist/cjs/testing/index.js',
);

const NOTHING_LOST = { differed: 0, failed: 0, rejected: 0, strayExits: 0 };
const NO_WORKERS = '{"instances":[],"message":"No endpoints available","status":"unhealthy"}';

const PROOFS = {
  rolling: (plan) => ({
    title: 'every worker restarted in turn',
    scenario: {
      fleet: plan.fleet,
      faults: [{ atMs: 1000, fault: 'sigterm', target: 'every-worker', inTurn: true }],
      // As long as it takes: new streams begin until the last one is back.
      forMs: 2000,
      bounds: { ...NOTHING_LOST, streams: 10, moved: 1 },
    },
  }),
  survivors: (plan) => ({
    title: 'workers killed at random, two always left',
    scenario: {
      fleet: plan.fleet,
      faults: [{ atMs: 1000, fault: 'sigkill', target: 'any-worker', leaves: 2, everyMs: 4000 }],
      forMs: plan.forMs,
      bounds: { differed: 0, rejectedWithoutRetryAfter: 0, strayExits: 0, moved: 1, successRatio: 0.9999 },
    },
  }),
  etcd: (plan) => {
    const leadersMs = plan.forMs;
    const downMs = leadersMs + 5000;
    const wipeMs = downMs + plan.outageMs + 10_000;
    return {
      title: 'etcd: leaders killed, all members down, all data gone',
      scenario: {
        fleet: { ...plan.fleet, etcd: 3 },
        faults: [
          // For as long as an orchestrator takes to start a member anew.
          {
            atMs: 1000,
            fault: 'etcd-leader-kill',
            forMs: 2000,
            everyMs: 10_000,
            times: Math.max(1, Math.floor(leadersMs / 10_000)),
          },
          { atMs: downMs, fault: 'etcd-kill', forMs: plan.outageMs },
          { atMs: wipeMs, fault: 'etcd-wipe' },
        ],
        forMs: wipeMs + Math.min(30_000, plan.forMs),
        bounds: { ...NOTHING_LOST, streams: 10 },
      },
      after: registrationsAreBack,
    };
  },
  nats: (plan) => ({
    title: 'NATS down',
    scenario: {
      fleet: { ...plan.fleet, nats: true },
      faults: [
        { atMs: 2000, fault: 'nats-kill', forMs: plan.outageMs },
        { atMs: plan.outageMs + 5000, fault: 'nats-pause', forMs: Math.min(10_000, plan.outageMs) },
      ],
      forMs: plan.outageMs + 8000 + Math.min(10_000, plan.outageMs),
      bounds: { ...NOTHING_LOST, streams: 10 },
    },
  }),
};

/** @returns {Promise<boolean>} whether all hold */
export async function prove(args) {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string', multiple: true, default: ['rolling', 'survivors', 'all', 'etcd', 'nats'] },
      for: { type: 'string', default: '300' },
      outage: { type: 'string', default: '60' },
      engine: { type: 'string', default: 'llama' },
      streams: { type: 'string', default: '16' },
      workers: { type: 'string', default: '4' },
      seed: { type: 'string', default: '1' },
      log: { type: 'boolean', default: false },
    },
  });
  const plan = {
    forMs: Number(values.for) * 1000,
    outageMs: Number(values.outage) * 1000,
    fleet: {
      workers: Number(values.workers),
      worker: values.engine === 'toy' ? { tokenMs: 5 } : { engine: values.engine, sequences: 16, nice: 10 },
    },
    load: { streams: Number(values.streams), tokens: values.engine === 'toy' ? 60 : 200 },
    seed: Number(values.seed),
  };
  let isAll = true;
  for (const name of values.only) {
    const startedMs = performance.now();
    const make = PROOFS[name];
    if (make === undefined && name !== 'all')
      throw new Error(`no proof ${name}; there are all, ${Object.keys(PROOFS).join(', ')}`);
    const holds = name === 'all' ? await allKilled(plan) : await run(make(plan), plan, values.log);
    console.log(
      `${name}: ${holds ? 'holds' : 'FAILS'}, ${((performance.now() - startedMs) / 1000).toFixed(0)} s\n`,
    );
    isAll &&= holds;
  }
  return isAll;
}

async function run({ title, scenario, after = () => [] }, plan, isLogged) {
  console.log(`--- ${title}`);
  let more = [];
  const result = await runScenario(
    { ...scenario, load: plan.load, seed: plan.seed },
    {
      async after(fleet) {
        more = await after(fleet);
      },
    },
  );
  if (isLogged) console.log(result.log);
  console.log(result.text);
  for (const [what, isMet] of more) console.log(`${isMet ? 'holds' : 'FAILS'}  ${what}`);
  return result.holds && more.every(([, isMet]) => isMet);
}

async function registrationsAreBack(fleet) {
  const isBack = await fleet.isWhole(30_000).then(
    () => true,
    () => false,
  );
  return [[`registrations back: ${(await fleet.routable()).join(', ')}`, isBack]];
}

/** What the frontend says while there is nobody behind it, and that it recovers by itself. */
async function allKilled({ fleet: spec }) {
  console.log('--- all workers killed');
  const fleet = await startFleet({ ...spec, restartDelayMs: 4000 });
  const checks = [];
  const check = (what, isMet) => checks.push([what, isMet]);
  try {
    const [url] = fleet.urls;
    const body = { prompt: 'all gone', max_tokens: 20 };
    const before = await streamCompletion(url, body);
    for (const worker of fleet.workers) {
      worker.expectExit();
      worker.process.signal('SIGKILL');
    }
    const killedMs = performance.now();
    while ((await fleet.routable()).length > 0 && performance.now() - killedMs < 10_000)
      await new Promise((resolve) => setTimeout(resolve, 20));
    const goneMs = Math.round(performance.now() - killedMs);
    const live = await fetch(`${url}/live`);
    const liveBody = await live.text();
    check(
      `/live ${live.status} ${liveBody}`,
      live.status === 200 && liveBody === '{"message":"Service is live","status":"live"}',
    );
    const health = await fetch(`${url}/health`);
    const healthBody = await health.text();
    check(
      `/health ${health.status} ${healthBody} after ${goneMs} ms`,
      health.status === 200 && healthBody === NO_WORKERS,
    );
    const refused = await streamCompletion(url, body);
    check(
      `a request gets ${refused.status}, Retry-After ${refused.retryAfter}`,
      refused.status === 503 && refused.retryAfter >= 1,
    );
    await fleet.isWhole(60_000);
    const after = await streamCompletion(url, body);
    check('it recovers by itself, with the same text', after.isDone && after.text === before.text);
  } finally {
    await fleet.close();
  }
  for (const [what, isMet] of checks) console.log(`${isMet ? 'holds' : 'FAILS'}  ${what}`);
  return checks.every(([, isMet]) => isMet);
}
