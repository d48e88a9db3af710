// 10^6 liveness probes, each on a fresh connection, while the main thread is blocked, collects garbage and idles in an
// order that the seed decides: none fails and none takes longer than 200 ms.
//
//   npm run proof -- probes [--count 1000000] [--seed 1] [--rate 2000] [--limit-ms 200] [--engine uws] [--engine http]

import { openLoop } from '../../bench/lib/load.mjs';
import { buildTools } from '../../bench/lib/native.mjs';
import { root } from '../../bench/lib/paths.mjs';
import { formatUs } from '../../bench/lib/stats.mjs';
import { launch } from '../../bench/lib/subjects.mjs';
import { whyNoUws } from '../../bench/lib/uws.mjs';
import { parseArgs } from '../lib/parse-args.mjs';

/** @returns {Promise<boolean>} whether it holds */
export async function prove(args) {
  const { values } = parseArgs({
    args,
    options: {
      count: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: '1' },
      rate: { type: 'string', default: '2000' },
      'limit-ms': { type: 'string', default: '200' },
      engine: { type: 'string', multiple: true },
    },
  });
  const failure = buildTools();
  if (failure !== null) {
    console.error(`the load generator cannot be built: ${failure}`);
    return false;
  }
  const missing = whyNoUws();
  if (missing !== null) console.log(`without uWebSockets.js, which does not load here: ${missing}`);
  let holds = true;
  for (const engine of values.engine ?? (missing === null ? ['uws', 'http'] : ['http']))
    holds = (await proveOn(engine, values)) && holds;
  return holds;
}

async function proveOn(engine, { count, seed, rate, 'limit-ms': limitMs }) {
  const script = `${root}/scripts/proofs/restless-main.cjs`;
  const subject = await launch(engine, '/health/live', [
    process.execPath,
    '--expose-gc',
    script,
    engine,
    seed,
  ]);
  const states = new Map();
  subject.lines.on('line', (line) => {
    const { state, ms } = JSON.parse(line);
    const sum = states.get(state) ?? { times: 0, ms: 0 };
    states.set(state, { times: sum.times + 1, ms: sum.ms + ms });
  });
  try {
    const result = await openLoop(subject, {
      rate,
      count,
      seed,
      arrivals: 'poisson',
      'limit-ms': limitMs,
      // Later than the limit, so that an answer that is only slow is told apart from one that never comes.
      'timeout-ms': 10_000,
    });
    const { p50, p99, p999, max } = result.latencyUs;
    const holds = result.answered === Number(count) && result.errors === 0 && result.overLimit === 0;
    console.log(
      `${holds ? 'holds' : 'DOES NOT HOLD'} on ${engine}: ${result.answered.toLocaleString('en')} of ${Number(count).toLocaleString('en')} ` +
        `probes answered in ${result.seconds.toFixed(1)} s (seed ${seed}), ${result.overLimit} over ${limitMs} ms; ` +
        `p50 ${formatUs(p50)}, p99 ${formatUs(p99)}, p99.9 ${formatUs(p999)}, max ${formatUs(max)}`,
    );
    for (const [state, { times, ms }] of states)
      console.log(`  main thread ${state} ${times} times, ${(ms / 1000).toFixed(1)} s`);
    if (!holds) console.log(`  errors: ${JSON.stringify(result.errorKinds)} ${subject.errors()}`);
    return holds;
  } finally {
    await subject.stop();
  }
}
