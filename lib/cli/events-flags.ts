import type { NatsOptions } from '../events/options.js';
import type { FleetFlag, FleetValues } from './fleet-flags.js';

export const NATS_FLAG: FleetFlag = {
  flag: '--nats-server',
  placeholder: 'URL,URL',
  kind: { type: 'list' },
  // Not taken as a variable here: the library reads it, and names it where it is wrong.
  meaning: 'NATS at nats://host:port (NATS_SERVER, else off)',
};

export const BEACONS_FLAG: FleetFlag = {
  flag: '--beacons',
  placeholder: 'WAY',
  kind: { type: 'choice', values: ['both', 'nats'] },
  meaning: 'both, or nats: no connection to each worker (both)',
};

export function natsServer(values: FleetValues): { events?: NatsOptions } {
  const servers = values['--nats-server'] as readonly string[] | undefined;
  return servers === undefined ? {} : { events: { servers } };
}

export function beaconsWay(values: FleetValues): { beacons?: 'both' | 'nats' } {
  const beacons = values['--beacons'] as 'both' | 'nats' | undefined;
  return beacons === undefined ? {} : { beacons };
}
