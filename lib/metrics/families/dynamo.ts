import type { FamilySet } from '../family.js';
import type { MetricsInput } from '../input.js';
import { secondsRow } from './service.js';

/** Every name begins so. They are on Dynamo listeners only, for the dashboards that exist. */
export const DYNAMO_PREFIX = 'dynamo_component_';

/**
 * Those of Dynamo's component metrics that this process can fill with what it has counted. Dynamo's own labels (namespace,
 * component, endpoint, worker id) come from its discovery and are left out: nothing here knows them.
 */
export function addDynamoFamilies(set: FamilySet, { dynamo, requests, load }: MetricsInput): void {
  if (dynamo === null || dynamo === undefined) return;
  set.gauge('uptime_seconds', 'Time since health was started.').add(dynamo.uptimeMs / 1000);
  const { kvBlocksUsed = Number.NaN, kvBlocksTotal = Number.NaN } = load?.figures ?? {};
  set.gauge('total_blocks', 'KV cache blocks that there are, as reported.').add(kvBlocksTotal);
  // A ratio in spite of its name, as in Dynamo.
  set
    .gauge('gpu_cache_usage_percent', 'Share of the KV cache blocks in use, 0 to 1, as reported.')
    .add(kvBlocksUsed / kvBlocksTotal);
  if (requests === null) return;
  set.gauge('inflight_requests', 'Requests that have begun and not ended.').add(requests.active);
  set.counter('requests_total', 'Requests that ended.').add(requests.total);
  set
    .counter('errors_total', 'Requests that ended in an error.')
    .add(requests.failed, { error_type: 'generate' });
  if (requests.durations !== null) {
    set.histogram('request_duration_seconds', 'How long requests took from begin to end.', [
      secondsRow({}, requests.durations),
    ]);
  }
}
