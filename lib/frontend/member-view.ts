import type { WorkerRef } from '../fleet/types.js';
import type { WorkerCondition } from '../fleet/worker-health.js';
import type { WorkerProblem } from './problem.js';

/** A worker as a frontend sees it. Apart from the pool, whose own types are those of its HTTP client. */
export interface MemberView {
  readonly url: string;
  readonly ref: WorkerRef | null;
  readonly model: string | null;
  readonly condition: WorkerCondition | 'unknown';
  readonly state: 'serving' | 'draining' | 'gone';
  /** `token`: it refuses ours. `tls`: no trusted connection. Null: none that a setting would cure. */
  readonly problem: WorkerProblem | null;
  readonly isEjected: boolean;
  /** Above its thresholds. */
  readonly isBusy: boolean;
  readonly load: number;
  readonly inFlight: number;
}
