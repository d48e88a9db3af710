import { urlOf } from '../probe/listener-url.js';
import { startLlama } from '../worker/llama.js';
import { isListenerConfigured } from '../worker/probe-port.js';
import { serveWorker } from '../worker/serve-worker.js';
import { discoveryOptions, WORKER_DISCOVERY_FLAGS } from './discovery-flags.js';
import { NATS_FLAG, natsServer } from './events-flags.js';
import { type FleetFlag, fleetHelp, given, HTTP_HOST, HTTP_PORT, parseFleetFlags } from './fleet-flags.js';
import { runFleet, withFreeProbePort } from './fleet-run.js';
import { modelFile } from './model-file.js';
import { FLEET_TOKEN_FLAG, SERVER_TLS_FLAGS, serverTls, tokenFile } from './security-flags.js';

const FLAGS: readonly FleetFlag[] = [
  { flag: '--model', placeholder: 'FILE.gguf', kind: { type: 'string' }, meaning: 'the model' },
  {
    flag: '--model-name',
    placeholder: 'TEXT',
    kind: { type: 'string' },
    meaning: 'name under /v1/models (the file name)',
  },
  HTTP_PORT,
  HTTP_HOST,
  {
    flag: '--name',
    placeholder: 'TEXT',
    kind: { type: 'string' },
    meaning: 'place in the fleet, kept over restarts (host:port)',
  },
  {
    flag: '--sequences',
    placeholder: 'N',
    kind: { type: 'integer', min: 1, max: 256 },
    meaning: 'requests that are computed together (8)',
  },
  {
    flag: '--context-size',
    placeholder: 'N',
    kind: { type: 'integer', min: 16, max: 1_000_000 },
    meaning: 'tokens of each, prompt included (1024)',
  },
  ...SERVER_TLS_FLAGS,
  FLEET_TOKEN_FLAG,
  ...WORKER_DISCOVERY_FLAGS,
  NATS_FLAG,
];

export const workerHelp = (): string =>
  fleetHelp('worker', 'Serves a GGUF model with llama.cpp; needs the package node-llama-cpp.', FLAGS);

/** `inference-health worker`: until a signal arrives. */
export function worker(args: readonly string[]): Promise<number | undefined> {
  return runFleet('worker', async (logger) => {
    const { values, health: flags } = parseFleetFlags(args, FLAGS, process.env);
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
