import { InferenceHealthError } from '../errors.js';
import { createHttpServer } from './http.js';
import type { ProbeServer, ProbeServerOptions } from './server.js';

export type HttpEngineChoice = 'auto' | 'uws' | 'http';

export interface LoadedHttpEngine {
  readonly engine: 'uws' | 'http';
  readonly server: ProbeServer;
  /** One line for the log: which engine it is, and why. */
  readonly note: string;
}

export function loadHttpEngine(choice: HttpEngineChoice, options: ProbeServerOptions = {}): LoadedHttpEngine {
  if (choice === 'uws') throw new InferenceHealthError('ERR_CONFIG_INVALID', 'uws is not here yet');
  return { engine: 'http', server: createHttpServer(options), note: 'node:http' };
}
