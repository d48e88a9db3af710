import { bitnetHealth, bitnetProbes } from './bitnet.js';
import { dynamoFrontend } from './dynamo-frontend-routes.js';
import { type DynamoRoutesOptions, dynamoWorker } from './dynamo-worker.js';
import { kubernetes } from './kubernetes.js';
import type { Routes } from './view.js';

/** What a listener may choose about its dialect's paths. */
export type DialectOptions = DynamoRoutesOptions;

/** The paths that a dialect decides. */
const DIALECTS = {
  bitnet: (): Routes => bitnetHealth,
  'dynamo-worker': dynamoWorker,
  'dynamo-frontend': dynamoFrontend,
} as const satisfies Record<string, (options: DialectOptions) => Routes>;

export type DialectName = keyof typeof DIALECTS;

export const DIALECT_NAMES = Object.keys(DIALECTS) as readonly DialectName[];

const SHARED: Routes = { ...bitnetProbes, ...kubernetes };

/** Paths that every listener has, besides `/metrics`. */
export const SHARED_PATHS: readonly string[] = Object.keys(SHARED);

/** All routes of a listener except `/metrics`: the dialect's own and those that every listener has. */
export function routesOf(dialect: DialectName, options: DialectOptions = {}): Routes {
  return { ...DIALECTS[dialect](options), ...SHARED };
}
