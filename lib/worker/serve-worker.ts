import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Health } from '../lifecycle/health.js';
import { startHealth } from '../lifecycle/start.js';
import type { WorkerBeacon } from '../wire/beacon.js';
import { FLEET_TOKEN } from '../wire/tokens.js';
import { createActiveTokens } from './active-tokens.js';
import { type Api, openApi } from './api.js';
import { beaconOf } from './beacon.js';
import { type Beacons, createBeacons } from './beacons.js';
import type { Engine, EngineFigures, GenerateRequest, TokenFrame } from './engine.js';
import { fail } from './failure.js';
import type { Worker, WorkerOptions } from './options.js';
import { isListenerConfigured } from './probe-port.js';
import { createRegistrar } from './registration.js';
import { createRoutes, type Routes } from './routes.js';
import { checkSupports } from './sampling-support.js';
import { validateWorker } from './validate.js';
import { openWorkerEvents } from './worker-events.js';

export type { Worker, WorkerOptions } from './options.js';

/** Serves an engine over OpenAI's API, with health, admission, cancellation and drain, and tokens for frontends. */
export async function serveWorker(options: WorkerOptions): Promise<Worker> {
  validateWorker(options);
  const { host = '127.0.0.1', maxBodyBytes = 10 * 1024 * 1024, tls, logger } = options;
  // First of all: what is wrong with settings, certificates and tokens is to be said before a model is loaded.
  const registrar = await createRegistrar(options.discovery, (fields, message) =>
    logger?.info(fields, message),
  );
  const names = { option: 'token', file: 'tokenFile', variable: FLEET_TOKEN };
  // It listens once there is an engine.
  let route: Routes | null = null;
  const api = openApi({ tls, tokens: options, names, logger }, (request, response) => {
    route?.(request, response).catch((error: unknown) => fail(response, error));
  });
  const events = await openWorkerEvents(options.events, logger).catch((error: unknown) => {
    api.unwatch();
    throw error;
  });
  const endOutside = async (): Promise<void> => {
    api.unwatch();
    await Promise.all([registrar.close(), events?.close()]);
  };
  const health = await startHealth({
    ...(isListenerConfigured() ? {} : { port: 0, host: '127.0.0.1' }),
    shutdown: true,
    onGpuFailure: 'shutdown',
    onEngineFailure: 'shutdown',
    ...(options.logger === undefined ? {} : { logger: options.logger }),
    ...options.health,
  }).catch(async (error: unknown) => {
    await endOutside();
    throw error;
  });
  events?.showIn(health);
  health.engine.loading();
  health.model.loading();
  const engine = await makeEngine(options.engine, health).catch(async (error: unknown) => {
    await Promise.all([endOutside(), health.close()]);
    throw error;
  });
  const endpoint = health
    .endpoint('generate')
    .serve<GenerateRequest, TokenFrame>((request, scope) => engine.generate(request, scope));
  const active = createActiveTokens();
  const incarnation = `${Date.now().toString(36)}-${randomBytes(8).toString('hex')}`;
  let name = options.name ?? '';

  const beacon = (): WorkerBeacon => beaconOf(engine, health, { worker: name, incarnation }, active.count);
  const beacons = createBeacons(beacon);
  health.on('drain', beacons.send);
  health.on('status', beacons.send);

  route = createRoutes({ engine, endpoint, active, beacons, maxBodyBytes, logger });

  const { port, url } = await api.listen(options.port ?? 8000, host).catch(async (error: unknown) => {
    await Promise.all([endOutside(), health.close()]);
    throw error;
  });
  // Workers of several hosts would all be called 0.0.0.0.
  if (name === '') name = `${host === '0.0.0.0' || host === '::' ? hostname() : host}:${port}`;
  if (events !== null) beacons.publishTo(events.publisher(name));
  health.engine.ready();
  health.model.ready();
  const ref = { worker: name, incarnation };
  const figures = (): EngineFigures => engine.figures();
  await registrar.register({ ref, model: engine.model, url, figures }).catch(async (error: unknown) => {
    await closeApi();
    await health.close();
    throw error;
  });
  const onState = (): void => registrar.setState(beacon().state);
  health.on('drain', onState);
  health.on('status', onState);

  async function closeApi(): Promise<void> {
    endpoint.close();
    await registrar.close();
    await Promise.all([closeServer(api, beacons), events?.close()]);
  }
  const close = async (): Promise<void> => {
    await closeApi();
    await health.close();
  };
  return {
    name,
    incarnation,
    url,
    health,
    events: () => events?.view() ?? null,
    closeApi,
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function makeEngine(given: WorkerOptions['engine'], health: Health): Promise<Engine> {
  const engine = await (typeof given === 'function' ? given(health) : given);
  checkSupports(engine.supports);
  return engine;
}

function closeServer({ server, unwatch }: Api, beacons: Beacons): Promise<void> {
  unwatch();
  beacons.close();
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  return closed;
}
