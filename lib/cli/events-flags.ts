import type { NatsOptions } from '../events/options.js';
import { natsServers } from '../events/settings.js';
import { type FleetFlag, type FleetValues, given } from './fleet-flags.js';

export const NATS_FLAG: FleetFlag = {
  flag: '--nats-server',
  placeholder: 'URL,URL',
  kind: { type: 'list' },
  // Not taken as a variable here: the library reads it, and names it where it is wrong.
  meaning: 'NATS at nats://host:port (NATS_SERVER, else off)',
  check: (where, value) => natsServers(where, value as readonly string[]),
};

export const BEACONS_FLAG: FleetFlag = {
  flag: '--beacons',
  placeholder: 'WAY',
  kind: { type: 'choice', values: ['both', 'nats'] },
  meaning: 'both, or nats: no connection to each worker (both)',
};

/** The part of the fleet is one and the same for discovery and events: who routes to a component hears no other. */
export function natsServer(values: FleetValues): { events?: NatsOptions } {
  const get = <T>(name: string): T | undefined => values[name] as T | undefined;
  const events: NatsOptions = {
    ...given('servers', get<readonly string[]>('--nats-server')),
    ...given('namespace', get<string>('--namespace')),
    ...given('component', get<string>('--component')),
  };
  return Object.keys(events).length === 0 ? {} : { events };
}

export function beaconsWay(values: FleetValues): { beacons?: 'both' | 'nats' } {
  const beacons = values['--beacons'] as 'both' | 'nats' | undefined;
  return beacons === undefined ? {} : { beacons };
}
