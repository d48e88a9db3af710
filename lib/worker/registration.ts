/** A worker's side of discovery. */
import { advertisedUrl } from '../discovery/advertise.js';
import { openDiscovery } from '../discovery/open.js';
import type { DiscoveryOptions } from '../discovery/options.js';
import { discoverySettings } from '../discovery/settings.js';
import type { WorkerRef } from '../fleet/types.js';
import type { EngineFigures } from './engine.js';

export interface RegisteredWorker {
  readonly ref: WorkerRef;
  readonly model: string;
  /** Where it listens. */
  readonly url: string;
  figures(): EngineFigures;
}

export interface Registrar {
  /**
   * What keeps the default of one machine from working, as a file system that cannot be written, costs the registration and
   * not the worker; a store that does not answer costs nothing.
   * @throws InferenceHealthError ERR_CONFIG_INVALID
   */
  register(worker: RegisteredWorker): Promise<void>;
  setState(state: 'serving' | 'draining'): void;
  close(): Promise<void>;
}

/** @throws InferenceHealthError ERR_CONFIG_INVALID */
export async function createRegistrar(
  options: DiscoveryOptions | false | undefined,
  log: (fields: object, message: string) => void,
): Promise<Registrar> {
  if (options === false)
    return { register: async () => undefined, setState: () => undefined, close: async () => undefined };
  const settings = discoverySettings(options ?? {}, process.env);
  const discovery = await openDiscovery(settings, { log });
  let tell: (state: 'serving' | 'draining') => void = () => undefined;
  return {
    async register({ ref, model, url: listening, figures }) {
      const url = advertisedUrl(listening, settings);
      try {
        const { setState } = await discovery.register(
          { ...settings.name, ref, model, url },
          progressOf(figures),
        );
        tell = setState;
        log(
          { discovery: settings.backend, endpoint: Object.values(settings.name).join('.'), url },
          'worker registers',
        );
      } catch (error) {
        if (settings.isExplicit) throw error;
        log({ error: (error as Error).message }, 'not registered: frontends must be given its URL');
      }
    },
    setState: (state) => tell(state),
    close: () => discovery.close(),
  };
}

/** A number that stands still only while the engine has work and makes no step. */
function progressOf(figures: () => EngineFigures): () => number {
  let count = 0;
  let last = '';
  return () => {
    const { step, scheduledTokens, running, waiting } = figures();
    const now = `${step} ${scheduledTokens}`;
    if (now !== last || running + waiting === 0) count += 1;
    last = now;
    return count;
  };
}
