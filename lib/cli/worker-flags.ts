import { WORKER_DISCOVERY_FLAGS } from './discovery-flags.js';
import { NATS_FLAG } from './events-flags.js';
import { type FleetFlag, fleetHelp, HTTP_HOST, HTTP_PORT } from './fleet-flags.js';
import { FLEET_TOKEN_FLAG, SERVER_TLS_FLAGS } from './security-flags.js';

export const WORKER_FLAGS: readonly FleetFlag[] = [
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
  fleetHelp('worker', 'Serves a GGUF model with llama.cpp; needs the package node-llama-cpp.', WORKER_FLAGS);
