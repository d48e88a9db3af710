// What happens to a server with a real engine (examples/llama.mjs) when the engine hangs or dies, when the server is told to
// end, when clients leave, and when the main thread is blocked. Needs `npm test` to have installed the engine.
//
//   npm run proof -- llama [--rounds 3] [--only stop --only kill ...]

import { blockMain, cancelAll, drain, killEngine, stopEngine } from '../lib/llama/proofs.mjs';
import { parseArgs } from '../lib/parse-args.mjs';

const ms = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;

/** Each gives figures: what was measured, the limit, and the bar of the documents where they have one. */
const PROOFS = {
  async stop() {
    const { unreadyMs, readyMs, live, reason } = await stopEngine();
    return [
      figure('SIGSTOP of the engine: /health 503', unreadyMs, 5000, '45 s'),
      figure('SIGCONT: /health 200', readyMs, 2000, '30 s'),
      fact('reason, and /livez meanwhile', `${reason}, ${live}`, 'inference_engine.stalled, 200'),
    ];
  },
  async kill() {
    const { code, exitMs, outcomes } = await killEngine();
    return [
      figure('SIGKILL of the engine: drained and exited', exitMs, 1000, '6 s'),
      fact('exit code, streams that broke without an error', `${code}, ${outcomes.broken ?? 0}`, '1, 0'),
    ];
  },
  async drain() {
    // Some may be complete before the last has come.
    const streams = 220;
    // The grace period is no part of this proof: a busy machine may need longer than the usual one.
    const { code, inFlight, unreadyMs, complete, late } = await drain({ streams, graceMs: 120_000 });
    const refused = late.filter(({ status, retryAfter }) => status === 503 && retryAfter !== null).length;
    return [
      figure('SIGTERM under 200 streams: readiness 503', unreadyMs, 1000),
      fact('exit code, streams complete', `${code}, ${complete}`, `0, ${streams}`),
      fact('in flight at the signal', inFlight >= 200 ? 'at least 200' : `${inFlight}`, 'at least 200'),
      fact('later requests refused with Retry-After', `${refused} of ${late.length}`, '5 of 5'),
    ];
  },
  async deadline() {
    const { code, exitMs, outcomes } = await drain({ streams: 200, tokens: 900, graceMs: 2000 });
    const told = (outcomes.end ?? 0) + (outcomes.error ?? 0) + (outcomes.refused ?? 0);
    return [
      figure('the same with a deadline of 2 s: exited', exitMs, 2500),
      fact('exit code, streams told of their end', `${code}, ${told}`, '75, 200'),
    ];
  },
  async cancels() {
    const { p99Ms, active, running, waiting, nodeWarnings } = await cancelAll();
    return [
      figure('1,000 cancels at once: stopped in the engine, p99', p99Ms, 50),
      fact(
        'left in gauges, engine, Node warnings',
        `${active}, ${running + waiting}, ${nodeWarnings}`,
        '0, 0, 0',
      ),
    ];
  },
  async blocked() {
    const { reason, notLive, probes, canaryFailures } = await blockMain();
    return [
      fact('main thread blocked for 20 s: readiness', reason, 'event_loop.blocked'),
      fact('/livez not 200', `${notLive} of ${probes}`, `0 of ${probes}`),
      fact('canaries counted as failed', `${canaryFailures}`, '0'),
    ];
  },
};

function figure(what, measuredMs, limitMs, bar = '') {
  return {
    what,
    value: measuredMs,
    text: ms(measuredMs),
    limit: `< ${ms(limitMs)}`,
    bar,
    holds: measuredMs < limitMs,
  };
}

function fact(what, text, expected) {
  return { what, value: 0, text, limit: expected, bar: '', holds: text === expected };
}

/** @returns {Promise<boolean>} whether all hold */
export async function prove(args) {
  const { values } = parseArgs({
    args,
    options: { rounds: { type: 'string', default: '3' }, only: { type: 'string', multiple: true } },
  });
  const names = values.only ?? Object.keys(PROOFS);
  const unknown = names.find((name) => !(name in PROOFS));
  if (unknown !== undefined) {
    console.error(`--only ${unknown}: there are ${Object.keys(PROOFS).join(', ')}`);
    return false;
  }
  let holds = true;
  for (const name of names) {
    const rounds = [];
    for (let round = 0; round < Number(values.rounds); round += 1) rounds.push(await PROOFS[name]());
    for (const index of rounds[0].keys()) {
      // The worst of all rounds.
      const [worst] = rounds
        .map((figures) => figures[index])
        .sort((a, b) => Number(a.holds) - Number(b.holds) || b.value - a.value);
      holds = holds && worst.holds;
      const bar = worst.bar === '' ? '' : `, documents: ${worst.bar}`;
      console.log(`${worst.holds ? 'holds' : 'FAILS'}  ${worst.what}: ${worst.text} (${worst.limit}${bar})`);
    }
  }
  return holds;
}
