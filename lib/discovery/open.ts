import { createMemoryDiscovery } from './memory/memory.js';
import type { DiscoverySettings } from './settings.js';
import type { Discovery, DiscoveryPorts } from './types.js';

/**
 * The backend that the settings name; what only one of them needs is loaded here.
 * @throws InferenceHealthError ERR_CONFIG_INVALID where the package `etcd3` is missing
 */
export async function openDiscovery(settings: DiscoverySettings, ports: DiscoveryPorts): Promise<Discovery> {
  if (settings.backend === 'memory') return createMemoryDiscovery(settings.directory, ports);
  const { createEtcdDiscovery } = await import('./etcd/etcd.js');
  return createEtcdDiscovery(settings, ports);
}
