// Streams through a frontend while its workers, real llama.cpp behind `inference-health worker`, are killed, stopped and hung:
// every text must be that of the undisturbed run. A killed worker is started anew meanwhile; the next one is killed as soon as
// its time has come and two others serve. Needs `npm test` to have installed the engine.
//
//   npm run proof -- kills [--kills 100] [--stops 5] [--hangs 5] [--workers 4] [--streams 40] [--tokens 200] [--every-ms 2000]
//                          [--sequences 32] [--nice 10] [--seed 1] [--migration-limit 20] [--poison-workers 4]
//
// For 10,000 moved streams in half an hour on two quiet cores: --kills 500 --streams 60. The last two are flags of the frontend,
// whose defaults are 3 and 2: of a stream that lives for ten seconds here more workers die than of one in a fleet that is well,
// several of them in turn before it has a token from any, so not of it.
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from '../lib/parse-args.mjs';
import { startEndWatch } from './lib/end-watch.mjs';
import { explain } from './lib/explain.mjs';

const { createLoad, createRandom, createRecorder, inject, judge, spread, startFleet } = createRequire(
  import.meta.url,
)('../../dist/cjs/testing/index.js');
const LIMITS = { detectionMs: 100, stopMs: 3000, hangMs: 5000 };

/** @returns {Promise<boolean>} whether all hold */
export async function prove(args) {
  const number = (value) => ({ type: 'string', default: String(value) });
  const options = {
    ...{ kills: number(100), stops: number(5), hangs: number(5), workers: number(4), streams: number(40) },
    ...{
      tokens: number(200),
      'every-ms': number(2000),
      sequences: number(32),
      nice: number(10),
      seed: number(1),
      'migration-limit': number(20),
      'poison-workers': number(4),
    },
  };
  const { values } = parseArgs({ args, options });
  const plan = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Number(value)]));
  const fleet = await startFleet({
    workers: plan.workers,
    worker: { engine: 'llama', sequences: plan.sequences, nice: plan.nice },
    frontend: {
      args: ['migration-limit', 'poison-workers'].flatMap((flag) => [`--${flag}`, `${plan[flag]}`]),
    },
  });
  try {
    return await run(fleet, plan);
  } finally {
    await fleet.close();
  }
}

async function run(fleet, plan) {
  const startedMs = performance.now();
  const minutes = () => ((performance.now() - startedMs) / 60_000).toFixed(1);
  const recorder = createRecorder();
  const random = createRandom(plan.seed);
  const ends = startEndWatch();
  const dead = new Set();
  const moves = [];
  const load = createLoad(
    { streams: plan.streams, tokens: plan.tokens, prompts: 24 },
    { urls: fleet.urls, seed: plan.seed, onResult: recorder.result, keeps: false },
  );
  await load.learn();
  fleet.timeline.on(recorder.event);
  fleet.timeline.on(({ atMs, message, fields }) => {
    if (message === 'stream moves' && dead.has(fields.from)) moves.push({ from: fields.from, atMs });
    // What happens to its next life has other causes.
    if (message === 'worker found') dead.delete(fields.worker);
  });
  load.begin();
  await sleep(1000);
  try {
    await strike(
      { fault: 'sigkill', target: 'busiest-worker', leaves: 2 },
      plan.kills,
      plan['every-ms'] * 0.5,
    );
    await fleet.isWhole();
    await strike({ fault: 'sigstop', target: 'busiest-worker', leaves: 2 }, plan.stops, 5000, 4000);
    await strike({ fault: 'engine-hang', target: 'busiest-worker', leaves: 2 }, plan.hangs, 8000, 6000);
  } finally {
    await load.finish();
    await ends.close();
  }

  /** Each a random time after the one before, 0.5 to 3.5 times `restMs`. */
  async function strike(fault, count, restMs, forMs = null) {
    let next = performance.now();
    for (let i = 0; i < count; i += 1) {
      const pids = new Map(fleet.workers.map(({ name, process }) => [name, process?.pid]));
      const injected = await inject(fleet, fault, random);
      for (const name of fault.fault === 'sigkill' ? injected.targets : []) {
        dead.add(name);
        ends.watch(name, pids.get(name), injected.atMs);
      }
      recorder.fault(fault.fault, injected);
      if (forMs !== null) {
        await sleep(forMs);
        await injected.undo?.();
      }
      next = Math.max(next, performance.now()) + restMs * (0.5 + random() * 3) - (forMs ?? 0);
      await sleep(Math.max(50, next - performance.now()));
      if ((i + 1) % 25 === 0) console.log(`${i + 1} ${fault.fault}, ${progress()}`);
    }
  }
  function progress() {
    const { moved, streams, differed, failed, errors } = figures();
    return `${moved} choices moved, ${streams} streams, ${differed} differ, ${failed} failed ${JSON.stringify(errors)}, ${minutes()} min`;
  }
  function figures() {
    const stray = fleet.workers.reduce((sum, { strayExits }) => sum + strayExits, 0);
    return recorder.figures(load.expected, stray);
  }

  const bounds = { streams: 1, moved: 1, differed: 0, failed: 0, rejected: 0, strayExits: 0 };
  const verdict = judge(figures(), bounds);
  console.log(verdict.text);
  for (const difference of verdict.figures.differences) console.log(await explain(fleet, load, difference));
  const { detectionMs, outMs } = verdict.figures;
  const detected = spread(moves.map(({ from, atMs }) => ends.since(from, atMs)).filter((ms) => ms !== null));
  const said = ({ count, p50, p99, max }) =>
    `p50 ${Math.round(p50)}, p99 ${Math.round(p99)}, max ${Math.round(max)} ms (${count})`;
  console.log(`SIGKILL to the end of the process: ${said(spread(ends.endMs))}`);
  console.log(`end of the process to the move of a stream: ${said(detected)}`);
  const rows = [
    [
      'end of a killed process to the move of a stream, p99',
      detected.count === 0 ? undefined : detected.p99,
      LIMITS.detectionMs,
    ],
    ['SIGSTOP until the worker gets nothing more, max', outMs.sigstop?.max, LIMITS.stopMs],
    ['hung engine to the last stream moved, max', detectionMs['engine-hang']?.max, LIMITS.hangMs],
  ].filter(([, value]) => value !== undefined);
  for (const [what, value, limit] of rows)
    console.log(`${value < limit ? 'holds' : 'FAILS'}  ${what}: ${Math.round(value)} ms (< ${limit} ms)`);
  console.log(`took ${minutes()} minutes`);
  return verdict.holds && rows.every(([, value, limit]) => value < limit);
}
