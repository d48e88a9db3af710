import type { DiscoverySettings } from '../settings.js';
import type { Discovery, DiscoveryPorts } from '../types.js';

export function createEtcdDiscovery(_settings: DiscoverySettings, _ports: DiscoveryPorts): Discovery {
  throw new Error('not yet');
}
