import type { ServerResponse } from 'node:http';
import type { Body } from '../worker/http-body.js';
import type { Gate } from './gate.js';
import type { FrontendMetrics } from './metrics.js';
import type { FrontendOptions } from './options.js';
import type { WorkerPool } from './pool.js';
import type { SharedBudget } from './processes/shared-budget.js';
import type { Sharing } from './sharing.js';
import type { RunningStream, StreamRequest } from './stream.js';
import type { RequestTerms } from './terms.js';

export interface RequestPorts {
  readonly pool: WorkerPool;
  readonly gate: Gate;
  readonly metrics: FrontendMetrics;
  readonly options: FrontendOptions;
  readonly sharing?: Sharing | null;
  log(fields: object, message: string): void;
}

/** What was asked for beside the body, and what of the body counts. */
export type SentTerms = RequestTerms & Pick<Body, 'bytes' | 'readMs'>;

export interface Requests {
  readonly inFlight: number;
  readonly migrations: Readonly<Record<string, number>>;
  isDraining: boolean;
  readonly retryBudget: SharedBudget;
  readonly hedgeBudget: SharedBudget;
  /** Refuses what is known elsewhere, and since when, to cost workers their lives. */
  quarantine(hash: string, ageMs: number): void;
  /** True: there is no place for anybody, whatever the body says, and that has been answered. */
  refuseIfFull(id: string, terms: Omit<SentTerms, 'bytes'>, response: ServerResponse): boolean;
  run(request: StreamRequest, terms: SentTerms, response: ServerResponse): void;
  each(tell: (stream: RunningStream) => void): void;
  /** Call it several times a second. */
  tick(nowMs: number): void;
  /** Resolves when none is in flight. */
  idle(): Promise<void>;
  /** Ends all with an error. */
  cut(): void;
}
