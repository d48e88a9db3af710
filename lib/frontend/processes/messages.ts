/** What the processes of one frontend tell each other. Small and bounded; only `figures` grows with the number of workers. */
import type { MetricObjectWithValues, MetricValueWithName } from 'prom-client';
import type { FrontendInstance } from '../../dialects/dynamo-frontend.js';
import type { Thresholds } from '../../fleet/admission/thresholds.js';

export type Figures = readonly MetricObjectWithValues<MetricValueWithName<string>>[];

/** Retry and hedge, in this order. */
export interface BudgetUse {
  readonly deposits: number;
  readonly withdrawals: readonly [number, number];
}

/** What has happened to requests since the last report. */
export interface RequestReport {
  readonly begun: number;
  readonly ended: number;
  readonly failed: number;
  readonly tokens: number;
  readonly inFlight: number;
}

/** At most so many instances, or hashes, a message. */
export const MAX_ITEMS = 256;

/** Longer than that a process that turns says nothing only where it has no time. */
export const ALIVE_MS = 250;

export type ToProcess =
  /** With a socket. */
  | { readonly type: 'connection'; readonly id: number }
  | {
      readonly type: 'thresholds';
      readonly id: number;
      readonly model: string;
      readonly change: Partial<Thresholds>;
    }
  | { readonly type: 'spread'; readonly id: number }
  | { readonly type: 'poison'; readonly hashes: readonly (readonly [hash: string, ageMs: number])[] }
  | { readonly type: 'budget'; readonly use: BudgetUse }
  | { readonly type: 'collect'; readonly id: number }
  | { readonly type: 'metrics'; readonly id: number; readonly text: string }
  /** That it is about to drain, that it does, that it does no more; the end. */
  | { readonly type: 'announce' | 'drain' | 'resume' | 'close' };

export type FromProcess =
  | { readonly type: 'ready' | 'alive' }
  | { readonly type: 'taken'; readonly id: number }
  /** Asks for thresholds to count in all processes. */
  | {
      readonly type: 'spread';
      readonly id: number;
      readonly model: string;
      readonly change: Partial<Thresholds>;
    }
  | { readonly type: 'applied'; readonly id: number }
  | { readonly type: 'poison'; readonly hash: string }
  | { readonly type: 'budget'; readonly use: BudgetUse }
  | { readonly type: 'requests'; readonly report: RequestReport }
  | {
      readonly type: 'instances';
      /** Null: it is gone. */
      readonly changes: readonly (readonly [key: string, instance: FrontendInstance | null])[];
    }
  | { readonly type: 'figures'; readonly id: number | null; readonly figures: Figures }
  | { readonly type: 'metrics'; readonly id: number }
  | { readonly type: 'drained' };
