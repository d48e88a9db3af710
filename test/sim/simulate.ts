/** Runs one scenario to its end. */
import { createFaults, type FaultRunner } from './faults.js';
import { createFrontend, type Frontend } from './frontend/frontend.js';
import { createGoodput, smallRequest } from './goodput.js';
import { createChecks, type Violation } from './invariants.js';
import { createKernel } from './kernel.js';
import { createNetwork } from './network.js';
import { createPrng } from './prng.js';
import type { RequestSpec, Scenario } from './scenario.js';
import { emptyStats, type Stats } from './stats.js';
import { createStore } from './store.js';
import { createWorker, type SimWorker } from './worker.js';
import { MACHINES, type Machines, type World } from './world.js';

export interface Result {
  readonly violation: Violation | null;
  readonly events: number;
  /** Of its events; the same again from the same seed. */
  readonly hash: number;
  readonly checks: number;
  readonly virtualMs: number;
  readonly stats: Stats;
}

/** Faults and requests of liveness mode are over by then at the latest; what is not well is a violation. */
const SETTLE_LIMIT_MS = 330_000;
const SETTLE_STEP_MS = 500;
/** Faults end that much later than requests, see `createFaults`. */
export const HEAL_MS = 500;

export function simulate(scenario: Scenario, machines: Partial<Machines> = {}): Result {
  const kernel = createKernel();
  const random = createPrng(scenario.seed ^ 0x5bd1e995);
  const network = createNetwork(kernel, random, scenario.network);
  const checks = createChecks(
    () => kernel.nowMs,
    // A rival need not keep our promises; its figures are of the whole run.
    () => machines.hasBeacons !== false && kernel.stop(),
  );
  const stats = emptyStats();
  const frontends: Frontend[] = [];
  const byName = new Map<string, SimWorker>();
  let faults: FaultRunner | null = null;

  const world: World = {
    scenario,
    kernel,
    network,
    random,
    checks,
    stats,
    machines: { ...MACHINES, ...machines },
    store: createStore(kernel, network),
    workers: [],
    worker: (name) => byName.get(name)!,
    publishBeacon(from, message) {
      stats.probes += 1;
      for (const frontend of frontends) network.publish(from, frontend.actor, () => frontend.beacon(message));
    },
    poisoned(worker, { request }, isAbandoned) {
      // What a frozen worker still had in its socket when it woke up, nobody could take back; and whose last sign is lost
      // looks silent, not dead.
      if (!isAbandoned && !network.isLossy()) killed(request, worker.name);
      worker.die(false);
      kernel.at(kernel.nowMs + 500, () => worker.revive());
    },
    leaseLost(worker) {
      if (!world.machines.diesWithLease) return;
      checks.check(17, false, () => `${worker.name} died with its lease`);
    },
    isTouched: (worker) => faults?.isTouched(worker) ?? false,
  };

  const victims = new Map<string, Set<string>>();
  function killed({ id }: RequestSpec, worker: string): void {
    const all = victims.get(id) ?? new Set();
    all.add(worker);
    victims.set(id, all);
    checks.check(19, all.size <= 2, () => `${id} killed ${[...all].join(', ')}`);
  }

  scenario.workers.forEach((spec, index) => {
    const worker = createWorker(world, spec, index);
    world.workers.push(worker);
    byName.set(spec.name, worker);
  });
  scenario.frontends.forEach((clock, index) => {
    frontends.push(createFrontend(world, clock, index));
  });
  faults = createFaults(world, frontends);
  for (const worker of world.workers) worker.start();
  for (const frontend of frontends) frontend.start();
  for (const spec of scenario.requests) {
    const frontend = frontends[spec.frontend % frontends.length]!;
    kernel.at(spec.atMs, () => frontend.request(spec));
  }
  faults.schedule();

  function afterEach(): void {
    for (const frontend of frontends) frontend.check();
    faults?.watch();
  }

  kernel.run(scenario.activeMs, afterEach);
  if (scenario.mode === 'liveness') settle();

  /** Some traffic goes on, since it is traffic that brings an ejected worker back. */
  function settle(): void {
    const goodput = createGoodput(world, frontends);
    let extra = 0;
    for (let atMs = scenario.activeMs; checks.violation === null; atMs += SETTLE_STEP_MS) {
      kernel.run(atMs + SETTLE_STEP_MS, afterEach);
      const late = world.kernel.nowMs - scenario.activeMs;
      if (late < 1000) continue;
      const bad = frontends.flatMap((frontend) => frontend.unsettled());
      goodput.look(late - HEAL_MS, scenario.admission === null && bad.length > 0);
      if (bad.length === 0 && goodput.isBack()) return;
      if (bad.length > 0 && late > SETTLE_LIMIT_MS) {
        const number = Number.parseInt(bad[0]!, 10) as 22;
        checks.check(number, false, () => `${late} ms after the last fault: ${bad.join('; ')}`);
        return;
      }
      // None near the end: those that are open then must be old.
      if (late > SETTLE_LIMIT_MS - 30_000) continue;
      frontends.forEach((frontend, index) => {
        if (!bad.some((each) => each.startsWith('24'))) return;
        extra += 1;
        frontend.request(smallRequest(`x${extra}`, 1e9 + 2 * extra + index));
      });
    }
  }

  return {
    violation: checks.violation,
    events: kernel.events,
    hash: kernel.hash,
    checks: checks.made,
    virtualMs: kernel.nowMs,
    stats,
  };
}
