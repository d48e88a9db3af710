import { expect, it } from 'vitest';
import { parseScenario } from '../../lib/testing/scenario.js';

const refuse = (scenario: unknown): string => {
  try {
    parseScenario(scenario);
  } catch (error) {
    return `${(error as { code?: string }).code} ${(error as Error).message}`;
  }
  return 'taken';
};
const withFault = (fault: object, fleet: object = {}) => refuse({ forMs: 1000, fleet, faults: [fault] });

it.each([
  [7, 'ERR_CONFIG_INVALID scenario: expected an object with name, seed'],
  [{}, 'scenario.forMs: expected a value, received undefined'],
  [{ forMs: '1' }, 'scenario.forMs: expected a number of at least 1, received "1"'],
  [
    { forMs: 1, falts: [] },
    'scenario.falts: expected one of name, seed, fleet, load, faults, forMs, bounds (did you mean faults?)',
  ],
  [
    { forMs: 1, fleet: { workers: 0 } },
    'scenario.fleet.workers: expected an integer from 1 to 256, received 0',
  ],
  [
    { forMs: 1, fleet: { workers: [{ tokenms: 1 }] } },
    'scenario.fleet.workers[0].tokenms: expected one of name',
  ],
  [
    { forMs: 1, fleet: { workers: [{ name: 'a' }, { name: 'a' }] } },
    'scenario.fleet: expected each name once, received "a"',
  ],
  [{ forMs: 1, fleet: { etcd: 2 } }, 'scenario.fleet.etcd: expected 1, 3 or 5 members, received 2'],
  [{ forMs: 1, load: { streams: 1, perSecond: 1 } }, 'scenario.load: expected either streams or perSecond'],
  [
    { forMs: 1, bounds: { failed: 'none' } },
    'scenario.bounds.failed: expected a number of at least 0, received "none"',
  ],
])('%j is refused with the name of the field', (scenario, message) => {
  expect(refuse(scenario)).toContain(message);
});

it.each([
  [{ atMs: 0, fault: 'sigkil', target: 'worker-0' }, {}, 'faults[0].fault: expected one of sigkill'],
  [{ fault: 'sigkill', target: 'worker-0' }, {}, 'faults[0].atMs: expected a value'],
  [
    { atMs: 0, fault: 'sigkill' },
    {},
    'faults[0].target: expected one of worker-0, worker-1, worker-2, frontend-0, any-worker',
  ],
  [{ atMs: 0, fault: 'sigkill', target: 'worker-7' }, {}, 'received "worker-7"'],
  [{ atMs: 0, fault: 'engine-hang', target: 'frontend-0' }, {}, 'expected a worker for engine-hang'],
  [{ atMs: 0, fault: 'gpu-xid', target: 'any-worker' }, {}, 'expected a worker with gpus for gpu-xid'],
  [{ atMs: 0, fault: 'engine-kill', target: 'worker-0' }, {}, 'whose engine is a process of its own'],
  [{ atMs: 0, fault: 'etcd-wipe' }, {}, 'expected a fleet with etcd for it'],
  [{ atMs: 0, fault: 'nats-kill' }, {}, 'expected a fleet with nats for it'],
  [
    { atMs: 0, fault: 'partition', target: 'worker-0', link: 'etcd' },
    {},
    'faults[0].link: expected a fleet with etcd',
  ],
  [{ atMs: 0, fault: 'sigkill', target: 'worker-0', inTurn: true }, {}, 'expected every-worker with inTurn'],
])('the fault %j is refused', (fault, fleet, message) => {
  expect(withFault(fault, fleet)).toContain(message);
});

it('a scenario is the same after a file has held it', () => {
  const scenario = {
    name: 'all at once',
    seed: 7,
    fleet: {
      workers: [{ name: 'a', engine: 'llama' as const }, { name: 'b' }],
      frontends: 2,
      etcd: 3,
      nats: true,
    },
    load: { perSecond: 20, tokens: 10 },
    faults: [
      { atMs: 10, fault: 'sigkill' as const, target: 'a' },
      { atMs: 10, fault: 'partition' as const, target: 'b', link: 'etcd' as const, forMs: 100 },
      { atMs: 10, fault: 'etcd-leader-kill' as const, everyMs: 10_000 },
    ],
    forMs: 1000,
    bounds: { failed: 0 },
  };
  expect(parseScenario(JSON.parse(JSON.stringify(scenario)))).toEqual(scenario);
});
