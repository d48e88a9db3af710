/** The scenario of a seed. */
import { makeAdmission, makeStandings, NOBODY, type Standing } from './admission-spec.js';
import type { Clock } from './kernel.js';
import { createPrng, type Prng } from './prng.js';
import { FAULT_KINDS, type Fault, type Profile, type RequestSpec, type Scenario } from './scenario.js';
import { STOP_STRINGS } from './toy-engine.js';

export function makeScenario(seed: number, profile: Profile = {}): Scenario {
  const random = createPrng(seed);
  const mode = profile.mode ?? (random.chance(0.7) ? 'safety' : 'liveness');
  const isSkewed = random.chance(0.5);
  const clock = (): Clock => ({
    offsetMs: Math.floor(random.between(0, 1e6)),
    rate: isSkewed ? random.between(0.98, 1.02) : 1,
  });
  const activeMs = profile.activeMs ?? random.int(3000, 7000);
  const [minWorkers, maxWorkers] = profile.workers ?? [5, 8];
  const [minRequests, maxRequests] = profile.requests ?? [50, 60];
  const frontends = Array.from({ length: random.chance(0.3) ? 2 : 1 }, clock);
  const stepMs = random.between(8, 40);
  const workers = Array.from({ length: random.int(minWorkers, maxWorkers) }, (_, index) => ({
    name: `w${index}`,
    clock: clock(),
    stepMs: stepMs * random.between(0.8, 1.25),
    prefillTokensPerMs: random.between(1, 8),
    maxRunning: random.int(...(profile.maxRunning ?? [4, 16])),
    maxWaiting: random.int(...(profile.maxWaiting ?? [4, 32])),
    kvBlocks: random.int(64, 256),
  }));
  const traits = traitsOf(random, profile);
  // From a source of their own, so that limits do not change what else happens in a seed.
  const own = createPrng(seed ^ 0x2c1b3c6d);
  const hasLimits = own.chance(0.5) && profile.isPlain !== true;
  const admission =
    profile.admission === undefined ? (hasLimits ? makeAdmission(own) : null) : profile.admission;
  const standing = hasLimits || profile.hasTenants === true ? makeStandings(own) : () => NOBODY;
  const requests = Array.from({ length: random.int(minRequests, maxRequests) }, (_, index) =>
    makeRequest(random, index, activeMs, frontends.length, traits, standing()),
  );
  return {
    seed,
    mode,
    frontends,
    workers,
    requests,
    faults: makeFaults(random, profile, activeMs, workers.length),
    network: {
      delayMs: random.between(0.1, 5),
      jitterMs: random.between(0, 10),
      isHeld: random.chance(0.5),
    },
    activeMs,
    migrationLimit: profile.migrationLimit ?? (random.chance(0.1) ? random.int(0, 2) : 3),
    hedgePerSecond: random.chance(0.5) ? 5 : 0,
    admission,
  };
}

interface Traits {
  readonly maxTokens: readonly [number, number];
  readonly leaves: number;
  readonly deadlines: number;
  readonly stops: number;
  readonly manyChoices: number;
  readonly maxChoices: number;
  readonly poison: number;
}

function traitsOf(random: Prng, profile: Profile): Traits {
  const isPlain = profile.isPlain ?? false;
  return {
    maxTokens: profile.maxTokens ?? [1, random.int(8, 48)],
    leaves: !isPlain && random.chance(0.5) ? 0.1 : 0,
    deadlines: !isPlain && random.chance(0.5) ? 0.3 : 0,
    stops: random.chance(0.7) ? 0.3 : 0,
    manyChoices: random.chance(0.3) ? 0.15 : 0,
    maxChoices: profile.maxChoices ?? 3,
    poison: profile.isPoisonous === true ? 0.1 : !isPlain && random.chance(0.15) ? 0.03 : 0,
  };
}

function makeRequest(
  random: Prng,
  index: number,
  activeMs: number,
  frontends: number,
  traits: Traits,
  standing: Standing,
): RequestSpec {
  const { tenant, priority, firstTokenMs } = standing;
  return {
    tenant,
    priority,
    firstTokenMs,
    id: `r${index}`,
    atMs: random.between(300, activeMs),
    frontend: random.int(0, frontends - 1),
    seed: random.int(0, 2 ** 31),
    promptTokens: random.int(1, 120),
    maxTokens: random.int(...traits.maxTokens),
    choices:
      traits.maxChoices > 1 && random.chance(traits.manyChoices) ? random.int(2, traits.maxChoices) : 1,
    stop: random.chance(traits.stops)
      ? Array.from({ length: random.int(1, 3) }, () => random.pick(STOP_STRINGS))
      : [],
    deadlineMs: random.chance(traits.deadlines) ? random.between(200, 10_000) : null,
    leavesAfterMs: random.chance(traits.leaves) ? random.between(0, 2000) : null,
    isPoison: random.chance(traits.poison),
  };
}

/** Swarm testing: a seed knows only some kinds of faults, since those that are always on hide what the others would show. */
function makeFaults(random: Prng, profile: Profile, activeMs: number, workers: number): Fault[] {
  const kinds = (profile.kinds ?? FAULT_KINDS).filter(
    () => random.chance(0.3) || profile.hasAllKinds === true,
  );
  if (kinds.length === 0) kinds.push(random.pick(profile.kinds ?? FAULT_KINDS));
  const [least, most] = profile.faults ?? [3, 10];
  return Array.from({ length: random.int(least, most) }, () => {
    const kind = random.pick(kinds);
    return {
      kind,
      atMs: random.between(300, profile.faultsUntilMs ?? activeMs),
      durationMs: random.pick(profile.durationsMs ?? [50, 300, 1000, 3000, 6000]) * random.between(0.5, 1.5),
      worker: random.int(0, workers - 1),
      peer: random.chance(0.7) ? ('frontend' as const) : ('store' as const),
      way: random.pick(['out', 'in', 'both'] as const),
      amount: kind === 'slow' || kind === 'delay' ? random.between(2, 30) : random.between(0.02, 0.5),
    };
  }).sort((a, b) => a.atMs - b.atMs);
}
