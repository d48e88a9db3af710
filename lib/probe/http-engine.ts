import { InferenceHealthError } from '../errors.js';
import type { ProbeServer, ProbeServerOptions } from './server.js';
import type { UwsModule } from './uws-types.js';

/** `auto`: uWebSockets.js where it loads, else node:http. */
export type HttpEngineChoice = 'auto' | 'uws' | 'http';

export interface LoadedHttpEngine {
  readonly engine: 'uws' | 'http';
  readonly server: ProbeServer;
  /** One line for the log: which engine it is, and why. */
  readonly note: string;
}

/**
 * Loads the HTTP engine; synchronous, 4 to 20 ms where it loads uWebSockets.js.
 *
 * @throws InferenceHealthError `ERR_CONFIG_INVALID` if `choice` is not one of the three, or is `uws` and that does not load.
 */
export function loadHttpEngine(choice: HttpEngineChoice, options: ProbeServerOptions = {}): LoadedHttpEngine {
  if (choice === 'http') {
    return { engine: 'http', server: openHttp(options), note: 'node:http, as configured' };
  }
  if (choice !== 'auto' && choice !== 'uws') {
    throw new InferenceHealthError(
      'ERR_CONFIG_INVALID',
      `expected \`httpEngine\` to be 'auto', 'uws' or 'http', got ${JSON.stringify(choice)}`,
    );
  }
  const tried: string[] = [];
  for (const name of uwsPackages()) {
    try {
      const server = openUws(loadUws(name), options);
      return { engine: 'uws', server, note: `uWebSockets.js, from the package ${name}` };
    } catch (error) {
      tried.push(`${name}: ${reasonOf(error)}`);
    }
  }
  const report = `uWebSockets.js did not load (${tried.join('; ')})`;
  if (choice === 'uws') {
    throw new InferenceHealthError(
      'ERR_CONFIG_INVALID',
      `\`httpEngine\` is 'uws', but ${report}. Install one of these packages for this platform, or use 'auto' or 'http'.`,
    );
  }
  return { engine: 'http', server: openHttp(options), note: `node:http, since ${report}` };
}

// Each engine is loaded only where it serves: node:http and what belongs to it take 4 ms of the time to the first answer.
function openHttp(options: ProbeServerOptions): ProbeServer {
  const { createHttpServer } = require('./http.js') as typeof import('./http.js');
  return createHttpServer(options);
}

function openUws(module: UwsModule, options: ProbeServerOptions): ProbeServer {
  const { createUwsServer } = require('./uws.js') as typeof import('./uws.js');
  return createUwsServer(module, options);
}

/** The application's own copy first; then the registry's republication, one package a platform and Node major. */
function uwsPackages(): readonly string[] {
  const major = process.versions.node.split('.', 1)[0];
  return ['uWebSockets.js', `@uwsjs/${process.platform}-${process.arch}-${major}`];
}

function loadUws(name: string): UwsModule {
  const loaded: unknown = require(name);
  const uws = loaded as Partial<UwsModule>;
  if (typeof uws.App !== 'function' || typeof uws.LIBUS_LISTEN_EXCLUSIVE_PORT !== 'number') {
    throw new Error(
      'not a version of uWebSockets.js that can be used: no App, or no LIBUS_LISTEN_EXCLUSIVE_PORT',
    );
  }
  return uws as UwsModule;
}

/** The first line says what is missing; Node adds the whole require stack below it. */
function reasonOf(error: unknown): string {
  if ((error as NodeJS.ErrnoException | null)?.code === 'MODULE_NOT_FOUND') return 'not installed';
  const message = error instanceof Error ? error.message : String(error);
  return message.split('\n', 1)[0] ?? '';
}
