/** The routes of a frontend with what they answer from. */
import type { FrontendHealth } from '../dialects/dynamo-frontend.js';
import { createBusyThresholdRoute } from './busy-threshold-route.js';
import type { FrontendMetrics } from './metrics.js';
import type { FrontendOptions } from './options.js';
import type { WorkerPool } from './pool.js';
import type { Requests } from './requests.js';
import { createRoutes, type Routes } from './routes.js';
import type { Sharing } from './sharing.js';
import { createTermsReader } from './terms.js';

export interface OpenRoutes {
  readonly documented: FrontendHealth;
  readonly metrics: FrontendMetrics;
  readonly requests: Requests;
  readonly pool: WorkerPool;
  readonly options: FrontendOptions;
  /** The workers are servers of others. */
  readonly isForeign: boolean;
  readonly sharing: Sharing | null;
  log(fields: object, message: string): void;
}

export function openRoutes({
  documented,
  metrics,
  requests,
  pool,
  options,
  isForeign,
  sharing,
  log,
}: OpenRoutes): Routes {
  const { adminToken, maxBodyBytes = 10 * 1024 * 1024, logger, paths, admission = {} } = options;
  return createRoutes({
    documented,
    metrics: { contentType: metrics.contentType, text: sharing?.metricsText ?? metrics.text },
    requests,
    maxBodyBytes,
    isForeign,
    busyThreshold:
      adminToken === undefined
        ? null
        : createBusyThresholdRoute(adminToken, {
            ...pool.thresholds,
            async set(model, change) {
              log({ model, ...change }, 'thresholds set');
              if (sharing === null) pool.thresholds.set(model, change);
              else await sharing.spread(model, change);
            },
          }),
    models: pool.models,
    report: (id, error) =>
      logger?.error(
        { request: id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) },
        'the frontend failed a request',
      ),
    ...(paths === undefined ? {} : { paths }),
    termsOf: createTermsReader(admission),
  });
}
