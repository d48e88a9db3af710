/** What a frontend has in common with the other processes that serve the same port. */
import type { Server } from 'node:http';
import type { FrontendInstance } from '../dialects/dynamo-frontend.js';
import type { Thresholds } from '../fleet/admission/thresholds.js';
import type { Figures } from './processes/messages.js';
import type { SharedBudget } from './processes/shared-budget.js';

export interface Sharing {
  readonly processes: number;
  /** In place of listening: connections come from the process that has the port. */
  listen(server: Server): { readonly url: string };
  /** Sets thresholds in all processes; resolves when they count. */
  spread(model: string, change: Partial<Thresholds>): Promise<void>;
  /** Of all processes. */
  metricsText(): Promise<string>;
  poisoned(hash: string): void;
  /** Null: it is gone. */
  instance(key: string, instance: FrontendInstance | null): void;
  /** Called once, before `listen`. */
  attach(parts: SharedParts): void;
}

/** What the others may do to this frontend, and ask it. */
export interface SharedParts {
  setThresholds(model: string, change: Partial<Thresholds>): void;
  /** @param ageMs since when that counts */
  quarantine(hash: string, ageMs: number): void;
  /** Probes say that it drains from now on; requests are still served. */
  announce(): void;
  figures(): Promise<Figures>;
  readonly retryBudget: SharedBudget;
  readonly hedgeBudget: SharedBudget;
}
