import type { FamilySet } from '../family.js';
import type { MetricsInput } from '../input.js';

/** What may run, what waits and what was refused; and what the application reports of its engine. */
export function addLoadFamilies(set: FamilySet, { load, nowMs }: MetricsInput): void {
  if (load === null) return;
  set.gauge('requests_admitted', 'Requests that hold a permit.').add(load.admitted);
  set.gauge('requests_queued', 'Requests that wait for a permit.').add(load.queued);
  set
    .gauge('requests_admitted_limit', 'Requests that may hold a permit at the same time.')
    .add(load.maxConcurrent);
  set.gauge('requests_queued_limit', 'Requests that may wait for a permit.').add(load.maxQueue);
  const rejections = set.counter('rejections_total', 'Requests that were refused, by reason.');
  for (const [reason, count] of Object.entries(load.rejections)) rejections.add(count, { reason });
  const { running, waiting, kvBlocksUsed, kvBlocksTotal, prefillTokens } = load.figures;
  set.gauge('engine_requests_running', 'Requests that the engine works on, as reported.').add(running);
  set.gauge('engine_requests_waiting', 'Requests that the engine has queued, as reported.').add(waiting);
  set.gauge('engine_kv_blocks_used', 'KV cache blocks in use, as reported.').add(kvBlocksUsed);
  set.gauge('engine_kv_blocks', 'KV cache blocks that there are, as reported.').add(kvBlocksTotal);
  set.gauge('engine_prefill_tokens', 'Prompt tokens still to be processed, as reported.').add(prefillTokens);
  set
    .gauge('engine_load_age_seconds', 'Time since the application last reported the load of its engine.')
    .add(Math.max(0, nowMs - load.reportedAtMs) / 1000);
}
