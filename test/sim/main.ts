/** npm run sim -- --seed N | --count M [--from N] [--threads T]. Exit code 1 on any violation, 64 on wrong options. */
import { parseArgs } from 'node:util';
import { makeScenario } from './make-scenario.js';
import { PROFILES } from './profiles.js';
import { type MachineSet, machineSet } from './sets.js';
import { shrink } from './shrink.js';
import { simulate } from './simulate.js';
import { runThreads } from './threads.js';

const USAGE = `usage: npm run sim -- --seed N [--shrink] [--machines NAME]
       npm run sim -- --count M [--from N] [--threads T] [--machines NAME]
--profile NAME: another kind of scenario (${Object.keys(PROFILES).join(', ')})`;

function usage(message: string): never {
  console.error(`${message}\n${USAGE}`);
  process.exit(64);
}

function options() {
  try {
    return parseArgs({
      options: {
        seed: { type: 'string' },
        count: { type: 'string' },
        from: { type: 'string', default: '1' },
        threads: { type: 'string', default: '2' },
        machines: { type: 'string', default: 'ours' },
        profile: { type: 'string', default: 'random' },
        shrink: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    return usage((error as Error).message);
  }
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) usage(`--${name} is a whole number from 0, not ${text}`);
  return value;
}

const values = options();
const set = values.machines as MachineSet;
const machines = (() => {
  try {
    return machineSet(set);
  } catch (error) {
    return usage((error as Error).message);
  }
})();

const profile =
  PROFILES[values.profile] ??
  usage(`--profile is one of ${Object.keys(PROFILES).join(', ')}, not ${values.profile}`);

if (values.seed !== undefined) one(whole('seed', values.seed));
else if (values.count !== undefined) await many(whole('count', values.count));
else usage('either --seed or --count');

function one(seed: number): void {
  const scenario = makeScenario(seed, profile);
  const started = performance.now();
  const { violation, events, checks, virtualMs, stats } = simulate(scenario, machines);
  const ms = performance.now() - started;
  const { detections: _detections, started: _started, unseen: _unseen, ...counts } = stats;
  console.log(
    `seed ${seed}: ${scenario.mode}, ${scenario.workers.length} workers, ${scenario.requests.length} requests`,
  );
  for (const { kind, atMs, durationMs, worker } of scenario.faults)
    console.log(`  ${kind} at ${atMs.toFixed(0)} ms for ${durationMs.toFixed(0)} ms (w${worker})`);
  console.log(JSON.stringify(counts));
  if (violation !== null) {
    console.log(
      `violation: ${violation.invariant} (${violation.name}) at ${violation.atMs} ms: ${violation.detail}`,
    );
    const small = shrink(scenario, violation, machines);
    const { workers, requests, faults } = small.scenario;
    console.log(
      `shrunk in ${small.runs} runs to ${workers.length} workers, ${requests.length} requests, ${faults.length} faults: ${small.violation.detail}`,
    );
    console.log(JSON.stringify(small.scenario));
  }
  console.log(
    `1 scenario, ${violation === null ? 0 : 1} violations, failing seeds: ${violation === null ? 'none' : seed}, ${events} events and ${checks} checks in ${virtualMs.toFixed(0)} virtual ms, ${ms.toFixed(1)} ms`,
  );
  process.exitCode = violation === null ? 0 : 1;
}

async function many(countOf: number): Promise<void> {
  const from = whole('from', values.from);
  const started = performance.now();
  const batch = await runThreads({
    from,
    until: from + countOf,
    profile,
    set,
    threads: Math.max(1, whole('threads', values.threads)),
  });
  const seconds = (performance.now() - started) / 1000;
  // Of all threads: what the machine did for others meanwhile is not in it.
  const { user, system } = process.cpuUsage();
  const cpuMs = (user + system) / 1000 / Math.max(1, batch.scenarios);
  for (const { seed, violation } of batch.failed.slice(0, 20)) console.log(`seed ${seed}: ${violation}`);
  const { requests, finished, tokens, dispatches, migrations, hedges, planned, ejections, faults } =
    batch.stats;
  console.log(
    JSON.stringify({
      requests,
      finished,
      failed: batch.stats.failed,
      rejected: batch.stats.rejected,
      tokens,
      dispatches,
      migrations,
      hedges,
      planned,
      ejections,
      faults,
      checks: batch.checks,
    }),
  );
  const { probes } = batch.stats;
  if (values.profile === 'pauses')
    console.log(
      `${ejections} false ejections in ${probes} beacons and ${dispatches} requests to workers, ${probes + dispatches} together: ${((1e6 * ejections) / (probes + dispatches)).toFixed(2)} in a million`,
    );
  const failing = batch.failed.map(({ seed }) => seed);
  console.log(
    `${batch.scenarios} scenarios, ${failing.length} violations, failing seeds: ${failing.length === 0 ? 'none' : failing.slice(0, 50).join(' ')}, ` +
      `${Math.round(batch.events / seconds)} events/s, ${Math.round((batch.scenarios / seconds) * 60)} scenarios/min, ${cpuMs.toFixed(1)} ms CPU each`,
  );
  process.exitCode = failing.length === 0 ? 0 : 1;
}
