import { checkAdvertise } from '../discovery/advertise.js';
import type { DiscoveryOptions } from '../discovery/options.js';
import { checkNamespace, checkPart, etcdEndpoints } from '../discovery/settings.js';
import { type FleetFlag, type FleetValues, given } from './fleet-flags.js';

/** Of `worker` and `frontend`. What is secret, and what is rarely changed, is left to variables: docs/discovery.md. */
export const DISCOVERY_FLAGS: readonly FleetFlag[] = [
  {
    flag: '--discovery',
    placeholder: 'NAME',
    kind: { type: 'choice', values: ['memory', 'mem', 'etcd'] },
    meaning: 'memory (this machine), etcd (memory)',
    variable: 'DYN_DISCOVERY_BACKEND',
  },
  {
    flag: '--etcd-endpoints',
    placeholder: 'URL,URL',
    kind: { type: 'list' },
    meaning: 'members of etcd (http://localhost:2379)',
    variable: 'ETCD_ENDPOINTS',
    check: (where, value) => etcdEndpoints(where, value as readonly string[]),
  },
  {
    flag: '--namespace',
    placeholder: 'TEXT',
    kind: { type: 'string' },
    meaning: 'of the endpoint that is served (dynamo)',
    variable: 'DYN_NAMESPACE',
    check: (where, value) => checkNamespace(where, value as string),
  },
  {
    flag: '--component',
    placeholder: 'TEXT',
    kind: { type: 'string' },
    meaning: 'of the endpoint that is served (backend)',
    check: (where, value) => checkPart(where, value as string),
  },
  {
    flag: '--endpoint',
    placeholder: 'TEXT',
    kind: { type: 'string' },
    meaning: 'the endpoint that is served (generate)',
    check: (where, value) => checkPart(where, value as string),
  },
];

export const WORKER_DISCOVERY_FLAGS: readonly FleetFlag[] = [
  ...DISCOVERY_FLAGS,
  {
    flag: '--advertise',
    placeholder: 'HOST:PORT',
    kind: { type: 'string' },
    meaning: 'where frontends reach it (where it listens)',
    check: (where, value) => checkAdvertise(where, value as string),
  },
  {
    flag: '--dynamo-register',
    placeholder: '',
    kind: { type: 'boolean' },
    meaning: "registers under Dynamo's keys too",
  },
];

export function discoveryOptions(values: FleetValues): DiscoveryOptions {
  const get = <T>(name: string): T | undefined => values[`--${name}`] as T | undefined;
  const endpoints = get<readonly string[]>('etcd-endpoints');
  return {
    ...given('backend', get<NonNullable<DiscoveryOptions['backend']>>('discovery')),
    ...given('namespace', get<string>('namespace')),
    ...given('component', get<string>('component')),
    ...given('endpoint', get<string>('endpoint')),
    ...given('advertise', get<string>('advertise')),
    ...given('dynamoRegister', get<boolean>('dynamo-register')),
    ...(endpoints === undefined ? {} : { etcd: { endpoints } }),
  };
}
