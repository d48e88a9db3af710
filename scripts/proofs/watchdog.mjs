// Ten simulated days of the progress watchdog, the engine monitor and the canary, with GC pauses, debugger pauses, long
// prompts, slow clients and suspended machines: no restart without a fault, and each fault is found within its bound.
//
//   npm run proof -- watchdog [--days 10] [--seed 1]
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from '../lib/parse-args.mjs';
import { createWorld, randomOf, TICK_MS } from './lib/engine-world.mjs';

const dist = fileURLToPath(new URL('../../dist/cjs', import.meta.url));
const load = (path) => createRequire(import.meta.url)(join(dist, path));

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const LOOK_MS = 1100;
const CANARY_MS = 10_000 + 3000;

/**
 * How long after its injection a fault must be seen by readiness, in milliseconds in which somebody could see it. Twice the
 * prefill budget in the worst case: a client that gives up half-way keeps half of the silence.
 */
function boundMs(kind, world, policy) {
  const prefillMs = policy.prefillTimeoutMs ?? policy.stallCeilingMs;
  switch (kind) {
    case 'exit':
    case 'pipe':
      return LOOK_MS;
    case 'stop':
      return 2000;
    case 'spin':
      return policy.heartbeatMs + 1000 + LOOK_MS;
    case 'check':
      return 2000 + 30_000 + LOOK_MS;
    case 'load':
      return policy.loadTimeoutMs + LOOK_MS;
    case 'idle':
      return CANARY_MS + 1000;
    case 'compute':
      return world.prefilling() > 0
        ? prefillMs + LOOK_MS
        : Math.max(world.decodeBudgetMs(), prefillMs) + LOOK_MS;
  }
}

/** @returns {Promise<boolean>} whether it holds */
export async function prove(args) {
  const { values } = parseArgs({
    args,
    options: { days: { type: 'string', default: '10' }, seed: { type: 'string', default: '1' } },
  });
  const endMs = Number(values.days) * DAY_MS;
  const modules = {
    board: load('engine/board.js'),
    engine: load('engine/policy.js'),
    budgets: load('engine/policy-budgets.js'),
    canary: load('canary/policy.js'),
  };
  const policy = modules.budgets.DEFAULT_ENGINE_POLICY;
  const random = randomOf(Number(values.seed));
  const world = createWorld(modules, policy, random);

  const found = new Map();
  const failures = [];
  let falseRestarts = 0;
  let falseUnready = 0;
  const unready = new Map();
  let wasUnready = false;
  let restarts = 0;
  let healedAtMs = 0;
  let outOfService = 0;
  let nextFaultMs = random.between(0.2, 1) * HOUR_MS;
  let fault = null;
  /** A fault wants a certain moment: an idle engine, or one at work. */
  let wanted = random.pick(KINDS);

  while (world.now() < endMs) {
    world.tick();
    const finding = world.finding();
    const isUnready = finding !== null || world.canaryStatus() === 'failed';
    if (fault === null) {
      if (finding?.isFinal && finding.sinceMs < healedAtMs) {
        // It began with the last fault, which was over too late.
        restarts += 1;
        world.restart();
      } else if (finding?.isFinal) {
        falseRestarts += 1;
        failures.push(`restart without a fault at ${at(world)}: ${finding.message}`);
        world.restart();
      }
      if (isUnready && !wasUnready) {
        falseUnready += 1;
        const why = finding?.cause ?? 'canary';
        unready.set(why, (unready.get(why) ?? 0) + 1);
      }
      wasUnready = isUnready;
      if (world.now() < nextFaultMs) continue;
      // A roll-out: what is to hang while it loads must load.
      if (wanted === 'load' && world.isServing()) world.restart();
      if (!isRight(wanted, world)) continue;
      const limitMs = boundMs(wanted, world, policy);
      fault = {
        kind: wanted,
        atMs: world.now(),
        blockedMs: world.blockedMs,
        limitMs,
        foundMs: null,
        isBrief: random.next() < 0.3,
      };
      world.fault = fault;
      continue;
    }
    const seenMs = world.now() - fault.atMs - (world.blockedMs - fault.blockedMs);
    if (fault.foundMs === null) {
      // The first request behind a hang makes it the watchdog's: it may be a long prompt, on which the engine does not beat.
      if ((fault.kind === 'idle' || fault.kind === 'spin') && world.inFlight() > 0)
        fault.limitMs = 120_000 + CANARY_MS + LOOK_MS;
      if (isUnready) {
        fault.foundMs = seenMs;
        fault.foundAtMs = world.now();
        const sum = found.get(fault.kind) ?? [];
        sum.push(seenMs);
        found.set(fault.kind, sum);
      }
      if (seenMs > fault.limitMs + TICK_MS) {
        failures.push(`${fault.kind} at ${at(world)} not found within ${Math.round(fault.limitMs)} ms`);
        end(true);
      }
      continue;
    }
    const sinceFoundMs = world.now() - fault.foundAtMs;
    // Ten seconds for the canary, where the clients have gone and the watchdog has nothing left to judge.
    if (!isUnready && sinceFoundMs > CANARY_MS + LOOK_MS && !world.isBlocked())
      failures.push(`${fault.kind} at ${at(world)}: ready again after ${seconds(sinceFoundMs)}`);
    const canHeal = ['stop', 'compute', 'idle', 'check'].includes(fault.kind);
    if (fault.isBrief && canHeal && sinceFoundMs > 5000) end(false);
    else if (finding?.isFinal) {
      // Not before its time: dead at once, stalled after liveStallMs more.
      if (finding.kind === 'stalled' && fault.kind !== 'idle' && sinceFoundMs < policy.liveStallMs - 2000)
        failures.push(`${fault.kind} at ${at(world)} ended after ${seconds(sinceFoundMs)} already`);
      end(true);
    } else if (sinceFoundMs > 600_000) {
      // Idle and found by the canary, which takes readiness and never more.
      if (fault.kind !== 'idle' && fault.kind !== 'compute')
        failures.push(`${fault.kind} at ${at(world)} was found, but not ended`);
      outOfService += 1;
      end(true);
    }
  }

  function end(isRestart) {
    if (isRestart) {
      restarts += 1;
      world.restart();
    } else {
      world.heal();
      healedAtMs = world.now();
    }
    fault = null;
    wasUnready = true;
    wanted = random.pick(KINDS);
    nextFaultMs = world.now() + random.between(0.3, 1.5) * HOUR_MS;
  }

  const { tokens, prompts, pauses, slow } = world.gave;
  console.log(
    `${values.days} days, seed ${values.seed}: ${prompts} prompts, ${tokens} tokens, ${pauses} pauses of the main thread, ${slow} slow clients`,
  );
  for (const [kind, times] of [...found].sort()) {
    const worst = Math.max(...times);
    const mean = times.reduce((sum, ms) => sum + ms, 0) / times.length;
    console.log(
      `  ${kind.padEnd(8)} ${String(times.length).padStart(4)} found, mean ${seconds(mean)}, worst ${seconds(worst)}`,
    );
  }
  const causes = [...unready].map(([why, times]) => `${why} ${times}`).join(', ');
  console.log(
    `${restarts} restarts after a fault (${outOfService} of them idle and out of service, ended by hand), ${falseRestarts} without one; ` +
      `${falseUnready} times not ready without one${causes === '' ? '' : `: ${causes}`}`,
  );
  for (const failure of failures.slice(0, 10)) console.error(failure);
  const holds = failures.length === 0 && falseRestarts === 0 && found.size > 0;
  console.log(holds ? 'holds' : `fails: ${failures.length} violations`);
  return holds;
}

const KINDS = ['exit', 'stop', 'spin', 'pipe', 'compute', 'compute', 'idle', 'check', 'load'];
const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;
const at = (world) => `day ${(world.now() / DAY_MS).toFixed(4)}`;

function isRight(kind, world) {
  if (world.isBlocked()) return false;
  if (kind === 'load') return !world.isServing();
  if (!world.isServing() || world.canaryStatus() !== 'ok' || world.finding() !== null) return false;
  if (kind === 'compute') return world.inFlight() > 0;
  if (kind === 'idle') return world.inFlight() === 0;
  return true;
}
