import type { FamilySet } from '../family.js';

/** Why metrics of the application are missing. */
export const APP_ERROR_REASONS = ['malformed', 'registry', 'timeout', 'too_large'] as const;
export type AppErrorReason = (typeof APP_ERROR_REASONS)[number];
export type AppErrorCounts = Record<AppErrorReason, number>;

/** What the agent thread knows of itself. */
export interface SelfInput {
  readonly agentRestarts: number;
  /** Null when no registry of the application is merged. */
  readonly app: AppInput | null;
}

export interface AppInput {
  /** Null before the first text came. */
  readonly ageMs: number | null;
  readonly clashes: number;
  readonly errors: Readonly<AppErrorCounts>;
}

export function addSelfFamilies(set: FamilySet, { agentRestarts, app }: SelfInput): void {
  set
    .counter('agent_restarts_total', 'Times that the agent thread died and was started again.')
    .add(agentRestarts);
  if (app === null) return;
  set
    .gauge('app_metrics_age_seconds', 'Time since the metrics of the application were last refreshed.')
    .add(app.ageMs === null ? null : app.ageMs / 1000);
  set
    .gauge(
      'app_metrics_clashes',
      'Families of the application that were left out because their name is taken.',
    )
    .add(app.clashes);
  const errors = set.counter(
    'app_metrics_errors_total',
    'Metrics of the application that could not be had or used.',
  );
  for (const reason of APP_ERROR_REASONS) errors.add(app.errors[reason], { reason });
}
