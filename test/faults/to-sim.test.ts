import { expect, it } from 'vitest';
import { RECOVERIES } from '../../scripts/lib/recovery/scenarios.mjs';
import { simulate } from '../sim/simulate.js';
import { toSim } from './to-sim.js';

it('a scenario of real processes runs in the simulator, and what cannot is told', () => {
  const { scenario, left } = toSim({
    fleet: { workers: 5, etcd: 1 },
    load: { perSecond: 10, tokens: 40 },
    faults: [
      { atMs: 500, fault: 'sigkill', target: 'any-worker', everyMs: 1000, times: 3 },
      { atMs: 1500, fault: 'partition', target: 'worker-2', link: 'etcd', forMs: 1000 },
      { atMs: 2000, fault: 'sigterm', target: 'worker-3' },
      { atMs: 2500, fault: 'truncate', target: 'worker-1' },
    ],
    forMs: 5000,
  });
  expect(scenario.faults.map(({ kind, atMs }) => `${kind} ${atMs}`)).toEqual([
    'crash 500',
    'crash 1500',
    'partition 1500',
    'drain 2000',
    'crash 2500',
  ]);
  expect(left).toEqual(['truncate at 2500 ms: it has no such fault']);
  expect(simulate(scenario).violation).toBeNull();
});

it.each(['pod-restart', 'partition'] as const)(
  'the recovery %s keeps every promise in the simulator too',
  (name) => {
    const { scenario, left } = toSim(RECOVERIES[name].scenario as Parameters<typeof toSim>[0]);
    expect(left).toEqual([]);
    expect(simulate(scenario).violation).toBeNull();
  },
);
