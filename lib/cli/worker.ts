import { InferenceHealthError } from '../errors.js';
import { urlOf } from '../probe/listener-url.js';
import { startLlama } from '../worker/llama.js';
import { isListenerConfigured } from '../worker/probe-port.js';
import { serveWorker } from '../worker/serve-worker.js';
import { type FleetFlag, fleetHelp, parseFleetFlags } from './fleet-flags.js';
import { runFleet, withFreeProbePort } from './fleet-run.js';

const FLAGS: readonly FleetFlag[] = [
  { flag: '--model', placeholder: 'FILE.gguf', kind: { type: 'string' }, meaning: 'the model' },
  {
    flag: '--model-name',
    placeholder: 'TEXT',
    kind: { type: 'string' },
    meaning: 'name under /v1/models (the file name)',
  },
  {
    flag: '--http-port',
    placeholder: 'N',
    kind: { type: 'integer', min: 0, max: 65_535 },
    meaning: 'port of the API (8000)',
  },
  {
    flag: '--http-host',
    placeholder: 'TEXT',
    kind: { type: 'string' },
    meaning: 'address of the API (127.0.0.1)',
  },
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
];

export const workerHelp = (): string =>
  fleetHelp('worker', 'Serves a GGUF model with llama.cpp; needs the package node-llama-cpp.', FLAGS);

/** `inference-health worker`: until a signal arrives. */
export function worker(args: readonly string[]): Promise<number | undefined> {
  return runFleet('worker', async (logger) => {
    const { values, health: flags } = parseFleetFlags(args, FLAGS, process.env);
    const get = <T>(name: string): T | undefined => values[`--${name}`] as T | undefined;
    const path = get<string>('model');
    if (path === undefined)
      throw new InferenceHealthError('ERR_CONFIG_INVALID', '--model: expected the path of a GGUF file');
    const port = get<number>('http-port');
    const host = get<string>('http-host');
    const name = get<string>('name');
    const modelName = get<string>('model-name');
    const served = await serveWorker({
      ...(port === undefined ? {} : { port }),
      ...(host === undefined ? {} : { host }),
      ...(name === undefined ? {} : { name }),
      health: withFreeProbePort(flags, isListenerConfigured()),
      logger,
      engine: (health) =>
        startLlama(health, {
          path,
          sequences: get<number>('sequences') ?? 8,
          contextSize: get<number>('context-size') ?? 1024,
          ...(modelName === undefined ? {} : { modelName }),
        }),
    });
    served.health.onShutdown('worker', () => served.closeApi());
    return { url: served.url, probes: served.health.listeners.map(urlOf), worker: served.name };
  });
}
