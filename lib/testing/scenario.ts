import { invalid } from '../config/values.js';
import {
  boolean,
  type Check,
  count,
  either,
  listOf,
  number,
  object,
  oneOf,
  text,
  texts,
  variables,
} from './fields.js';
import {
  FAULT_NAMES,
  type Fault,
  type FaultName,
  NETWORK_FAULTS,
  type Scenario,
  SELECTORS,
  type WorkerSpec,
} from './types.js';

const WORKER = object({
  name: text,
  engine: oneOf(['toy', 'llama']),
  model: text,
  tokenMs: number(0, 60_000),
  sequences: count(1, 256),
  args: texts,
  command: texts,
  env: variables,
  nice: count(0, 19),
  gpus: count(0, 16),
});
const FRONTEND = object({ name: text, args: texts, env: variables });
const FLEET = object({
  workers: either(count(1, 256), listOf(WORKER)),
  worker: WORKER,
  frontends: either(count(1, 16), listOf(FRONTEND)),
  frontend: FRONTEND,
  etcd: count(0, 5),
  leaseTtlSeconds: count(1, 3600),
  nats: boolean,
  restart: boolean,
  restartDelayMs: number(0),
});
const FAULT = object(
  {
    atMs: number(0),
    fault: oneOf(FAULT_NAMES),
    target: text,
    forMs: number(0),
    everyMs: number(1),
    times: count(1),
    leaves: count(0),
    inTurn: boolean,
    link: oneOf(['frontend', 'etcd', 'nats']),
    delayMs: number(0),
    bytes: count(0),
    bytesPerSecond: number(Number.MIN_VALUE),
    xid: count(1, 1000),
    gpu: count(0, 15),
  },
  ['atMs', 'fault'],
);
const LOAD = object({
  streams: count(1, 100_000),
  perSecond: number(Number.MIN_VALUE, 100_000),
  prompts: count(1, 10_000),
  tokens: count(1, 1_000_000),
});
const BOUNDS = object(
  Object.fromEntries(
    [
      ...['streams', 'moved', 'differed', 'failed', 'rejected', 'rejectedWithoutRetryAfter', 'strayExits'],
      ...['stallP50Ms', 'stallP99Ms', 'stallMaxMs', 'detectionP99Ms', 'detectionMaxMs', 'successRatio'],
    ].map((name): [string, Check] => [name, name === 'successRatio' ? number(0, 1) : number(0)]),
  ),
);
const SCENARIO = object(
  {
    name: text,
    seed: count(0),
    fleet: FLEET,
    load: LOAD,
    faults: listOf(FAULT),
    forMs: number(1),
    bounds: BOUNDS,
  },
  ['forMs'],
);

/**
 * Checks what was read from a file or written in code.
 * @throws InferenceHealthError ERR_CONFIG_INVALID that names the field
 */
export function parseScenario(value: unknown): Scenario {
  SCENARIO('scenario', value);
  const scenario = value as Scenario;
  const { fleet = {}, faults = [], load = {} } = scenario;
  if (fleet.etcd !== undefined && fleet.etcd % 2 === 0 && fleet.etcd !== 0)
    throw invalid('scenario.fleet.etcd', '1, 3 or 5 members', fleet.etcd);
  if (load.streams !== undefined && load.perSecond !== undefined)
    throw invalid('scenario.load', 'either streams or perSecond', load);
  const workers = workersOf(scenario);
  const names = [...workers.map(({ name }) => name), ...frontendNamesOf(scenario)];
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw invalid('scenario.fleet', 'each name once', twice);
  for (const [index, fault] of faults.entries())
    checkFault(`scenario.faults[${index}]`, fault, scenario, workers, names);
  return scenario;
}

function checkFault(
  where: string,
  fault: Fault,
  { fleet = {} }: Scenario,
  workers: readonly WorkerSpec[],
  names: readonly string[],
): void {
  const { fault: name, target } = fault;
  if (name.startsWith('etcd')) {
    if ((fleet.etcd ?? 0) === 0) throw invalid(`${where}.fault`, 'a fleet with etcd for it', name);
    return;
  }
  if (name.startsWith('nats')) {
    if (fleet.nats !== true) throw invalid(`${where}.fault`, 'a fleet with nats for it', name);
    return;
  }
  if (target === undefined) throw invalid(`${where}.target`, `one of ${all(names)}`, target);
  if (![...names, ...SELECTORS].includes(target))
    throw invalid(`${where}.target`, `one of ${all(names)}`, target);
  const isFrontend = names.includes(target) && !workers.some((worker) => worker.name === target);
  if (isFrontend && !name.startsWith('sig')) throw invalid(`${where}.target`, `a worker for ${name}`, target);
  if (fault.inTurn === true && target !== 'every-worker')
    throw invalid(`${where}.target`, 'every-worker with inTurn', target);
  const struck = workers.filter((worker) => worker.name === target || !names.includes(target));
  if (name === 'gpu-xid' && struck.some(({ gpus = 0 }) => gpus === 0))
    throw invalid(`${where}.target`, 'a worker with gpus for gpu-xid', target);
  if (
    name === 'engine-kill' &&
    struck.some(({ engine = 'toy', command }) => engine === 'toy' && command === undefined)
  )
    throw invalid(`${where}.target`, 'a worker whose engine is a process of its own for engine-kill', target);
  const { link = 'frontend' } = fault;
  if (link !== 'frontend' && !isNetworkFault(name))
    throw invalid(`${where}.link`, 'nothing for this fault', link);
  if (link === 'etcd' && (fleet.etcd ?? 0) === 0) throw invalid(`${where}.link`, 'a fleet with etcd', link);
  if (link === 'nats' && fleet.nats !== true) throw invalid(`${where}.link`, 'a fleet with nats', link);
}

const all = (names: readonly string[]): string => [...names, ...SELECTORS].join(', ');

export const isNetworkFault = (name: FaultName): boolean =>
  (NETWORK_FAULTS as readonly FaultName[]).includes(name);

export type NamedWorker = WorkerSpec & { readonly name: string };

export function workersOf({ fleet = {} }: Scenario): readonly NamedWorker[] {
  const { workers = 3, worker = {} } = fleet;
  const list = typeof workers === 'number' ? Array.from({ length: workers }, () => ({})) : workers;
  return list.map((own: WorkerSpec, index) => ({ name: `worker-${index}`, ...worker, ...own }));
}

export function frontendNamesOf({ fleet = {} }: Scenario): readonly string[] {
  const { frontends = 1 } = fleet;
  return typeof frontends === 'number'
    ? Array.from({ length: frontends }, (_, index) => `frontend-${index}`)
    : frontends.map(({ name }, index) => name ?? `frontend-${index}`);
}
