import { bitnetHealth, bitnetProbes } from './bitnet.js';
import { kubernetes } from './kubernetes.js';
import type { Routes } from './view.js';

/** The paths that a dialect decides. */
const DIALECTS = { bitnet: bitnetHealth, 'dynamo-worker': {} } as const;

export type DialectName = keyof typeof DIALECTS;

export const DIALECT_NAMES = Object.keys(DIALECTS) as readonly DialectName[];

/** Paths that every listener has, besides `/metrics`. */
export const SHARED_PATHS: readonly string[] = Object.keys({ ...bitnetProbes, ...kubernetes });

/** All routes of a listener except `/metrics`: the dialect's own and those that every listener has. */
export function routesOf(dialect: DialectName): Routes {
  return { ...DIALECTS[dialect], ...bitnetProbes, ...kubernetes };
}
