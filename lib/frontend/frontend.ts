import { createFrontendHealth } from '../dialects/dynamo-frontend.js';
import { showFrontend } from '../lifecycle/show-frontend.js';
import { monoMs } from '../native/clock.js';
import { poolAdmission } from './admission-options.js';
import { openFrontendApi } from './api.js';
import { type EventFeed, openEventFeed } from './event-feed.js';
import { createFinder } from './finder.js';
import { followDrain } from './follow-drain.js';
import { createGate } from './gate.js';
import { createFrontendMetrics } from './metrics.js';
import { onlyTls } from './only-tls.js';
import { openRoutes } from './open-routes.js';
import type { Frontend, FrontendOptions } from './options.js';
import { createWorkerPool } from './pool.js';
import { createRegister } from './register.js';
import { createRequests } from './requests.js';
import { withSharing } from './shared-health.js';
import type { Sharing } from './sharing.js';
import { createShow } from './show.js';
import { startTicker } from './ticker.js';
import { validateFrontend } from './validate.js';
import { createWorkerHttp } from './worker-http.js';
import { normalWorkerUrl, parseWorkerUrl } from './worker-url.js';

export type { Frontend, FrontendOptions } from './options.js';

/**
 * OpenAI's API in front of workers: a stream whose worker is lost goes on at another one. See docs/frontend.md.
 * @throws InferenceHealthError ERR_CONFIG_INVALID, ERR_PORT_IN_USE, ERR_HOST_INVALID, ERR_PORT_FORBIDDEN
 */
export function startFrontend(options: FrontendOptions): Promise<Frontend> {
  return startFrontendWith(options, null);
}

/** @param sharing with other processes of the same port; null: there are none */
export async function startFrontendWith(
  options: FrontendOptions,
  sharing: Sharing | null,
): Promise<Frontend> {
  validateFrontend(options);
  const { host = '127.0.0.1' } = options;
  const log = (fields: object, message: string): void => options.logger?.info(fields, message);
  const show = createShow(
    () => documented,
    (view) => options.health !== undefined && showFrontend(options.health, view),
  );
  const documented = withSharing(createFrontendHealth(options.healthMode, show.soon), sharing);
  show.now();

  const given = (options.workers ?? []).map(normalWorkerUrl);
  const isForeign = given.some((url) => (parseWorkerUrl(url)?.engine ?? null) !== null);
  const workerHttp = createWorkerHttp(options);
  const api = openFrontendApi(options, () => routes, workerHttp);
  const { admission = {} } = options;
  const found = await createFinder(options, log).catch((error: unknown) => {
    api.unwatch();
    workerHttp.close();
    throw error;
  });
  let feed: EventFeed | null = null;
  const pool = createWorkerPool(
    given,
    {
      workerHttp,
      onFirstToken: (model, waitMs) => gate.waited(model, waitMs),
      ...(options.beacons === 'nats' ? { rest: { isDeaf: () => feed?.isDeaf() ?? true } } : {}),
      now: monoMs,
      random: Math.random,
      log,
      warn: (fields, message) => options.logger?.warn(fields, message),
      onLeaving: (ref) => requests.each((stream) => stream.leaving(ref)),
      onCondition: (ref, condition) =>
        requests.each((stream) => {
          if (condition === 'suspect') stream.suspect(ref);
          else if (condition !== 'alive') stream.lost(ref, 'stalled', `the worker is ${condition}`);
        }),
      onGone: (ref) => requests.each((stream) => stream.lost(ref, 'reset', 'the worker is gone')),
      onProgress: (ref) => requests.each((stream) => stream.progress(ref)),
      onEjected: () => metrics.ejected(),
      onMember: (member) => register.onMember(member),
    },
    options.thresholds,
  );
  const open = options.workerTls === undefined ? pool : onlyTls(pool, given, options.logger);
  const register = createRegister(documented, given, found.name, open);
  const gate = createGate(poolAdmission(admission), {
    now: monoMs,
    random: Math.random,
    isKnown: (model) => pool.thresholds.get(model) !== null,
    room: pool.room,
    speed: pool.speed,
  });
  const metrics = createFrontendMetrics({
    inFlight: () => requests.inFlight,
    queued: () => gate.queued,
    members: pool.members,
    gate: () => gate,
    tenants: admission.tenantHeader === undefined ? null : (admission.tenants ?? []),
  });
  const requests = createRequests({ pool, gate, metrics, options, sharing, log });

  const endTicks = startTicker((now) => {
    pool.tick();
    gate.tick();
    requests.tick(now);
    requests.each((stream) => {
      if (now >= stream.nextTimerMs()) stream.tick();
    });
  });

  const watch = found.watch({ onChange: register.onView, isHealthy: pool.isAnswering });

  const routes = openRoutes({ documented, metrics, requests, pool, options, isForeign, sharing, log });

  async function drain(): Promise<void> {
    documented.setStage('draining');
    requests.isDraining = true;
    await requests.idle();
  }
  function resume(): void {
    documented.setStage('ready');
    requests.isDraining = false;
  }
  const unfollow = followDrain(options.health, {
    announce: () => documented.setStage('draining'),
    refuse: () => void drain(),
    resume,
    cut: requests.cut,
  });

  async function close(): Promise<void> {
    endTicks();
    unfollow();
    documented.setStage('stopping');
    requests.isDraining = true;
    requests.cut();
    const { server, unwatch } = api;
    unwatch();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    // Errors that have just been written are to arrive.
    setTimeout(() => server.closeAllConnections(), 100).unref();
    await Promise.all([closed, found.close(), pool.close(), feed?.close()]);
  }

  async function start(): Promise<string> {
    try {
      feed = await openEventFeed(options.events, pool.hear, options.logger);
      if (feed !== null) metrics.addEvents(feed.view);
      sharing?.attach({
        setThresholds: pool.thresholds.set,
        quarantine: requests.quarantine,
        announce: () => documented.setStage('draining'),
        figures: metrics.figures,
        retryBudget: requests.retryBudget,
        hedgeBudget: requests.hedgeBudget,
      });
      if (sharing !== null) return sharing.listen(api.server).url;
      return (await api.listen(options.port ?? 8000, host)).url;
    } catch (error) {
      endTicks();
      unfollow();
      api.unwatch();
      await Promise.all([found.close(), pool.close(), feed?.close()]);
      throw error;
    }
  }
  const url = await start();
  log({ url, workers: given, discovery: found.backend }, 'frontend listens');

  return {
    url,
    get inFlight() {
      return requests.inFlight;
    },
    workers: pool.members,
    discovery: watch,
    events: () => feed?.view() ?? null,
    migrations: () => ({ ...requests.migrations }),
    drain,
    resume,
    close,
    [Symbol.asyncDispose]: close,
  };
}
