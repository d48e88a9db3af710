import type { WorkerRef } from '../fleet/types.js';
import type { WorkerCondition } from '../fleet/worker-health.js';

/** A worker as a frontend sees it. Apart from the pool, whose own types are those of its HTTP client. */
export interface MemberView {
  readonly url: string;
  readonly ref: WorkerRef | null;
  readonly model: string | null;
  readonly condition: WorkerCondition | 'unknown';
  readonly state: 'serving' | 'draining' | 'gone';
  readonly isEjected: boolean;
  /** Above its thresholds. */
  readonly isBusy: boolean;
  readonly load: number;
  readonly inFlight: number;
}
