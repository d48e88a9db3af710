/** A scenario of real processes as one of the simulator, as far as that knows its faults. */
import { createRandom } from '../../lib/testing/random.js';
import { parseScenario, workersOf } from '../../lib/testing/scenario.js';
import type { Fault, FaultName, Scenario } from '../../lib/testing/types.js';
import { makeScenario } from '../sim/make-scenario.js';
import type { FaultKind, Fault as SimFault, Scenario as SimScenario } from '../sim/scenario.js';

/** What the simulator calls it. A killed worker is down as long as a process takes to start. */
const KINDS: Readonly<Partial<Record<FaultName, FaultKind>>> = {
  sigkill: 'crash',
  sigterm: 'drain',
  sigstop: 'pause',
  'engine-hang': 'hang',
  'engine-kill': 'crash',
  'half-open': 'half_open',
  partition: 'partition',
  'etcd-leader-kill': 'store_leader',
  'etcd-kill': 'store_outage',
  'etcd-pause': 'store_outage',
  'etcd-no-quorum': 'store_outage',
  'etcd-compact': 'store_compaction',
  'etcd-wipe': 'store_data_loss',
};
const RESTART_MS = 1000;

export interface Converted {
  readonly scenario: SimScenario;
  /** Faults that the simulator has nothing for, and why. */
  readonly left: readonly string[];
}

export function toSim(value: Scenario): Converted {
  const real = parseScenario(value);
  const { seed = 1, load = {}, faults = [], forMs } = real;
  const workers = workersOf(real);
  const random = createRandom(seed);
  const { streams = 8, perSecond, tokens = 100 } = load;
  const left: string[] = [];
  const count = Math.ceil(perSecond === undefined ? streams * 3 : (perSecond * forMs) / 1000);
  const base = makeScenario(seed, {
    mode: 'liveness',
    workers: [workers.length, workers.length],
    requests: [count, count],
    faults: [0, 0],
    maxTokens: [tokens, tokens],
    maxChoices: 1,
    isPlain: true,
    activeMs: forMs,
  });
  const converted = faults.flatMap((fault) =>
    convert(
      fault,
      workers.map(({ name }) => name),
      forMs,
      random,
      left,
    ),
  );
  return { scenario: { ...base, faults: converted.sort((a, b) => a.atMs - b.atMs) }, left };
}

function convert(
  fault: Fault,
  names: readonly string[],
  untilMs: number,
  random: () => number,
  left: string[],
): SimFault[] {
  const {
    atMs,
    fault: name,
    target,
    forMs = untilMs,
    everyMs,
    times = Number.POSITIVE_INFINITY,
    link = 'frontend',
  } = fault;
  const kind = KINDS[name];
  const why =
    kind === undefined
      ? 'it has no such fault'
      : target?.startsWith('frontend')
        ? 'its frontends do not fail'
        : target === 'busiest-worker'
          ? 'who is the busiest shows only when it runs'
          : link === 'nats'
            ? 'it has no links to its bus'
            : null;
  if (kind === undefined || why !== null) {
    left.push(`${name} at ${atMs} ms: ${why}`);
    return [];
  }
  const starts = Array.from(
    { length: everyMs === undefined ? 1 : Math.min(times, Math.ceil((untilMs - atMs) / everyMs)) },
    (_, index) => atMs + index * (everyMs ?? 0),
  );
  const struck = target === 'every-worker' ? [...names.keys()] : [names.indexOf(target ?? '')];
  return starts.flatMap((startMs) =>
    struck.map((index) => ({
      kind,
      atMs: startMs,
      durationMs: kind === 'crash' ? RESTART_MS : forMs,
      worker: index >= 0 ? index : Math.floor(random() * names.length),
      peer: link === 'etcd' ? ('store' as const) : ('frontend' as const),
      way: 'both' as const,
      amount: 1,
    })),
  );
}
