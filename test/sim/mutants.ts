/** The defects that were found in other systems, put into our machines: each has to break one of our promises. */
import { createEjector } from '../../lib/fleet/ejector.js';
import type { InvariantNumber } from './invariants.js';
import * as bad from './mutant-machines.js';
import * as profiles from './mutant-profiles.js';
import type { Profile } from './scenario.js';
import type { Machines } from './world.js';

export interface Mutant {
  /** Where it was found, and what it does. */
  readonly defect: string;
  readonly caughtBy: InvariantNumber;
  readonly machines: Partial<Machines>;
  /** Scenarios in which it has a chance to show. */
  readonly profile: Profile;
}

type Row = readonly [
  name: string,
  caughtBy: InvariantNumber,
  defect: string,
  machines: Partial<Machines>,
  profile: Profile,
];

const ROWS: readonly Row[] = [
  [
    'inhibition-sweep',
    18,
    'Dynamo: any discovery event lets every ejected worker back in',
    { createEjector: bad.createSweepingEjector },
    profiles.CHURN,
  ],
  [
    'canary-first-chunk',
    29,
    'Dynamo: the first chunk of a canary decides, one failure is enough, progress does not count',
    { stepCanary: bad.stepNervousCanary, isCanaryFirstToken: true },
    { kinds: ['engine_error', 'slow', 'hang'], requests: [50, 50], activeMs: 9000, isPlain: true },
  ],
  [
    'live-is-health',
    17,
    'Dynamo: liveness is the same as readiness, so that a failed canary restarts the worker',
    { diesWithCanary: true },
    { kinds: ['engine_error', 'hang'], requests: [50, 50], activeMs: 15_000, isPlain: true },
  ],
  [
    'dies-with-lease',
    17,
    'Dynamo: a lost lease ends the process',
    { diesWithLease: true },
    profiles.STORE_DOWN,
  ],
  [
    'resubmits-complete',
    1,
    'Dynamo: resubmits with nothing left to generate, or past the end token, when only the finish frame was lost',
    { createLogicalRequest: bad.createEndlessRequest },
    { ...profiles.CRASHES, kinds: ['lost_finish'] },
  ],
  [
    'half-open-flood',
    11,
    'SMG: everybody may try while a worker is half-open',
    { createEjector: bad.createOpenHandedEjector },
    profiles.FLOOD,
  ],
  [
    'no-generations',
    18,
    'SMG: a request from before an ejection ends or prolongs it',
    { createEjector: bad.createForgetfulEjector },
    profiles.GAPS,
  ],
  [
    'no-window',
    18,
    'SMG: failures add up for ever, the window is never read',
    { createEjector: () => createEjector({ windowMs: Number.MAX_SAFE_INTEGER }) },
    profiles.HOURS,
  ],
  [
    'sleeping-drain',
    26,
    'SMG: a drain is a sleep, whatever is in flight',
    { stepDrain: bad.stepSleep },
    { kinds: ['drain'], maxTokens: [20, 200], isPlain: true, activeMs: 8000 },
  ],
  [
    'stale-is-full',
    28,
    'llm-d: a worker whose metrics are stale counts as full',
    { createLoadView: bad.createFullWhenStale },
    profiles.SILENCE,
  ],
  [
    'half-open-timer',
    11,
    'opossum: the next trial begins before the last has ended',
    { createEjector: bad.createImpatientEjector },
    profiles.FLOOD,
  ],
  [
    'gives-up',
    23,
    'nats.js: gives up after so many attempts to reconnect',
    { createInstanceCache: bad.createResigningCache },
    { kinds: ['store_outage', 'restart'], faults: [5, 9], mode: 'liveness' },
  ],
  [
    'stale-is-idle',
    28,
    'several: a worker without metrics counts as idle',
    { createLoadView: bad.createIdleWhenStale },
    profiles.SILENCE,
  ],
  [
    'blind-canary',
    29,
    'Dynamo: a canary that times out behind other work counts as failed',
    { stepCanary: bad.stepBlindCanary },
    { kinds: ['slow'], faults: [6, 10], requests: [50, 50], activeMs: 15_000, isPlain: true },
  ],
  [
    'replay-as-prompt',
    1,
    'Dynamo: generated tokens are appended to the prompt, so that penalties and limits count wrongly',
    {
      onSubmit: (submit) => ({ ...submit, promptEnd: submit.request.promptTokens + submit.generated.length }),
    },
    profiles.CRASHES,
  ],
  [
    'text-below-migration',
    2,
    'Dynamo: text that was held back when the worker died is lost',
    { createLogicalRequest: bad.createForgetfulText },
    profiles.CRASHES,
  ],
  [
    'endless-retries',
    12,
    'Dynamo: a further attempt costs nothing, however many have failed',
    { createRetryBudget: bad.createEndlessBudget },
    profiles.OUTAGE,
  ],
  [
    'no-cap',
    10,
    'Dynamo, SMG: as many workers are ejected at once as fail',
    { createEjector: () => createEjector({ maxEjectedRatio: 1 }) },
    profiles.OUTAGE,
  ],
  [
    'no-poison',
    19,
    'all: a request that kills its worker is sent to the next one',
    { createLogicalRequest: bad.createPoisonousRequest },
    { kinds: ['slow'], faults: [0, 0], isPoisonous: true },
  ],
  [
    'empty-when-down',
    16,
    'several: a store that does not answer is taken for an empty one',
    { createInstanceCache: bad.createEmptyingCache },
    profiles.STORE_DOWN,
  ],
  [
    'drops-missing',
    30,
    'several: a worker is gone as soon as its record is, although it works',
    { createInstanceCache: bad.createCredulousCache },
    { kinds: ['store_split', 'store_data_loss'], faults: [3, 6], isPlain: true },
  ],
  [
    'stale-sheds',
    14,
    'llm-d: a report that is overdue makes the whole pool full, though its workers are idle',
    { createBusyWorkers: bad.createSaturatedWhenStale },
    profiles.SILENT,
  ],
  [
    'waits-for-ever',
    13,
    'llm-d: who waits has no time-out by default',
    { createPoolAdmission: bad.createPatientAdmission },
    profiles.QUEUES,
  ],
  [
    'one-line',
    15,
    'several: one line for all tenants',
    { createPoolAdmission: bad.createOneLine },
    profiles.QUEUES,
  ],
  [
    'no-retry-after',
    20,
    'Dynamo: no refusal says when to come again',
    { createPoolAdmission: bad.createCurtAdmission },
    profiles.QUEUES,
  ],
  [
    'lets-all-in',
    27,
    'several: no limit in front of the workers, so that the backlog of a burst stays',
    { createPoolAdmission: bad.createOpenAdmission },
    profiles.BURST,
  ],
];

export const MUTANTS: Readonly<Record<string, Mutant>> = Object.fromEntries(
  ROWS.map(([name, caughtBy, defect, machines, profile]) => [name, { caughtBy, defect, machines, profile }]),
);
