/** A frontend's side of discovery: which one, if any, and how it is. */
import { invalid } from '../config/values.js';
import { openDiscovery } from '../discovery/open.js';
import { discoverySettings } from '../discovery/settings.js';
import type { EndpointName, WatchPorts } from '../discovery/types.js';
import type { DiscoveryStatus, FrontendOptions } from './options.js';
import { parseWorkerUrl } from './worker-url.js';

export interface Finder {
  /** The endpoint whose instances take requests. */
  readonly name: EndpointName;
  readonly backend: 'memory' | 'etcd' | null;
  /** Begins; returns what tells how it is. */
  watch(ports: WatchPorts): () => DiscoveryStatus | null;
  close(): Promise<void>;
}

/** @throws InferenceHealthError ERR_CONFIG_INVALID */
export async function createFinder(
  { discovery: options, workers = [] }: FrontendOptions,
  log: (fields: object, message: string) => void,
): Promise<Finder> {
  const settings = discoverySettings(options === false ? {} : (options ?? {}), process.env);
  const { name, backend } = settings;
  if (options === false || (workers.length > 0 && !settings.isExplicit))
    return { name, backend: null, watch: () => () => null, close: async () => undefined };
  // What it finds are workers of ours, and what is lost at one could not go on at the other.
  if (workers.some((url) => (parseWorkerUrl(url)?.engine ?? null) !== null))
    throw invalid('discovery', 'none beside servers of others', settings.backend);
  const discovery = await openDiscovery(settings, { log });
  return {
    name,
    backend,
    watch(ports) {
      const watch = discovery.watch(ports);
      return () => {
        const { version, isSynced, ageMs, size } = watch;
        return { backend, version, isSynced, ageMs, instances: size };
      };
    },
    close: () => discovery.close(),
  };
}
