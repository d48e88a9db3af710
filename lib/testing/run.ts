import { type Fleet, type FleetOptions, startFleet } from './fleet.js';
import { inject } from './inject.js';
import { createLoad, type Load } from './load.js';
import { createRandom } from './random.js';
import { createRecorder } from './recorder.js';
import { isNetworkFault, parseScenario } from './scenario.js';
import { renderTimeline, type TimelineEvent } from './timeline.js';
import type { Fault, Scenario } from './types.js';
import { judge, type Verdict } from './verdict.js';

export interface RunOptions extends Pick<FleetOptions, 'fakeGpu'> {
  /** Each event of the fleet as it comes. */
  onEvent?(event: TimelineEvent): void;
  /** After the last stream, while the fleet still runs: what else is to be looked at. */
  after?(fleet: Fleet, load: Load): Promise<void> | void;
}

export interface RunResult extends Verdict {
  readonly scenario: Scenario;
  readonly events: readonly TimelineEvent[];
  /** The events as a table, seconds since the load began. */
  readonly log: string;
}

/**
 * Starts the fleet, reads every prompt in peace, puts the load on, strikes, and gives figures. Everything has ended when
 * it resolves or rejects.
 * @throws InferenceHealthError ERR_CONFIG_INVALID for a scenario that is none; Error when the fleet does not come up
 */
export async function runScenario(value: Scenario, options: RunOptions = {}): Promise<RunResult> {
  const scenario = parseScenario(value);
  const { fleet: spec = {}, faults = [], bounds = {}, seed = 1, forMs } = scenario;
  const links = [
    ...new Set(faults.filter(({ fault }) => isNetworkFault(fault)).map(({ link }) => link ?? 'frontend')),
  ];
  const { fakeGpu } = options;
  await using fleet = await startFleet({ ...spec, links, ...(fakeGpu === undefined ? {} : { fakeGpu }) });
  const recorder = createRecorder();
  const random = createRandom(seed);
  const load = createLoad(scenario.load ?? {}, { urls: fleet.urls, seed, onResult: recorder.result });
  const schedule = createSchedule(fleet, random, recorder.fault);
  await load.learn();
  const off = fleet.timeline.on((event) => {
    recorder.event(event);
    options.onEvent?.(event);
  });
  try {
    const fromMs = Date.now();
    load.begin();
    for (const fault of faults) schedule.add(fault, forMs);
    await new Promise((resolve) => setTimeout(resolve, forMs));
    await schedule.finish();
    await load.finish();
    await options.after?.(fleet, load);
    const stray = fleet.workers.reduce((sum, { strayExits }) => sum + strayExits, 0);
    const verdict = judge(recorder.figures(load.expected, stray), bounds);
    const events = fleet.timeline.events.filter(({ atMs }) => atMs >= fromMs);
    return { ...verdict, scenario, events, log: renderTimeline(events, fromMs) };
  } finally {
    off();
    load.abort();
    schedule.stop();
  }
}

function createSchedule(
  fleet: Fleet,
  random: () => number,
  onFault: ReturnType<typeof createRecorder>['fault'],
) {
  const timers = new Set<NodeJS.Timeout>();
  const open = new Set<Promise<void>>();
  const undos = new Set<() => Promise<void> | void>();
  let failure: unknown = null;

  function later(ms: number, act: () => Promise<void>): void {
    const timer = setTimeout(() => {
      timers.delete(timer);
      const work = act().catch((error: unknown) => {
        failure ??= error;
      });
      open.add(work);
      void work.finally(() => open.delete(work));
    }, ms);
    timers.add(timer);
  }

  async function strike(fault: Fault): Promise<void> {
    const injected = await inject(fleet, fault, random);
    onFault(fault.fault, injected);
    const { undo } = injected;
    if (undo === null) return;
    undos.add(undo);
    if (fault.forMs === undefined) return;
    later(Math.max(0, injected.atMs + fault.forMs - Date.now()), async () => {
      if (!undos.delete(undo)) return;
      fleet.timeline.add({ source: 'fault', message: `${fault.fault} is over`, fields: {} });
      await undo();
    });
  }

  return {
    add(fault: Fault, forMs: number): void {
      const { atMs, everyMs, times = Number.POSITIVE_INFINITY } = fault;
      for (let count = 0; count < (everyMs === undefined ? 1 : times); count += 1) {
        const ms = atMs + count * (everyMs ?? 0);
        if (ms > forMs) break;
        later(ms, () => strike(fault));
      }
    },
    /** What has begun ends, also what lasts; what a fault came to grief over is thrown. */
    async finish(): Promise<void> {
      while (open.size > 0) await Promise.all(open);
      for (const undo of undos) await undo();
      undos.clear();
      if (failure !== null) throw failure;
    },
    stop(): void {
      for (const timer of timers) clearTimeout(timer);
    },
  };
}
