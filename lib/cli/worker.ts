import { urlOf } from '../probe/listener-url.js';
import { startLlama } from '../worker/llama.js';
import { isListenerConfigured } from '../worker/probe-port.js';
import { serveWorker } from '../worker/serve-worker.js';
import { discoveryOptions } from './discovery-flags.js';
import { natsServer } from './events-flags.js';
import { given, parseFleetFlags } from './fleet-flags.js';
import { runFleet, withFreeProbePort } from './fleet-run.js';
import { modelFile } from './model-file.js';
import { serverTls, tokenFile } from './security-flags.js';
import { WORKER_FLAGS } from './worker-flags.js';

export { workerHelp } from './worker-flags.js';

/** `inference-health worker`: until a signal arrives. */
export function worker(args: readonly string[]): Promise<number | undefined> {
  return runFleet('worker', async (logger) => {
    const { values, health: flags } = parseFleetFlags(args, WORKER_FLAGS, process.env);
    const get = <T>(name: string): T | undefined => values[`--${name}`] as T | undefined;
    const path = modelFile(get<string>('model'));
    const served = await serveWorker({
      ...given('port', get<number>('http-port')),
      ...given('host', get<string>('http-host')),
      ...given('name', get<string>('name')),
      ...serverTls(get),
      ...tokenFile(get),
      ...natsServer(values),
      health: withFreeProbePort(flags, isListenerConfigured()),
      discovery: discoveryOptions(values),
      logger,
      engine: (health) =>
        startLlama(health, {
          path,
          sequences: get<number>('sequences') ?? 8,
          contextSize: get<number>('context-size') ?? 1024,
          ...given('modelName', get<string>('model-name')),
        }),
    });
    served.health.onShutdown('worker', () => served.closeApi());
    return { url: served.url, probes: served.health.listeners.map(urlOf), worker: served.name };
  });
}
