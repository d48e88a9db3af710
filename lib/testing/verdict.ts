/** What a run came to, as figures, and whether they are within their bounds. */
import { renderFigures } from './render-figures.js';
import type { Spread } from './spread.js';
import type { Bounds, FaultName } from './types.js';

export interface Difference {
  /** `x-request-id`. */
  readonly id: string;
  readonly prompt: number;
  /** First character that is another one. */
  readonly at: number;
  readonly expected: string;
  readonly got: string;
  /** Where it moved before: why, from whom, behind how many tokens. */
  readonly moves: readonly { readonly from: string; readonly outcome: string; readonly tokens: number }[];
}

export interface Figures {
  readonly streams: number;
  readonly whole: number;
  readonly differed: number;
  readonly failed: number;
  readonly rejected: number;
  readonly rejectedWithoutRetryAfter: number;
  /** Whole ones of all, refusals and failures counted against. */
  readonly successRatio: number;
  /** Moves of choices, several of one stream included. */
  readonly moved: number;
  readonly movedStreams: number;
  /** Longest silence of each stream that moved. */
  readonly stallMs: Spread;
  /** The same of those that did not. */
  readonly otherStallMs: Spread;
  readonly firstTextMs: Spread;
  /** From a fault to the move of each stream that it struck. */
  readonly detectionMs: Readonly<Partial<Record<FaultName, Spread>>>;
  /** From a fault until the frontend sends the worker nothing more. */
  readonly outMs: Readonly<Partial<Record<FaultName, Spread>>>;
  readonly faults: Readonly<Partial<Record<FaultName, number>>>;
  readonly strayExits: number;
  readonly differences: readonly Difference[];
  /** What clients were told, and how often. */
  readonly errors: Readonly<Record<string, number>>;
}

export interface Check {
  readonly name: keyof Bounds;
  readonly value: number;
  readonly bound: number;
  readonly isLeast: boolean;
  readonly holds: boolean;
}

export interface Verdict {
  readonly holds: boolean;
  readonly checks: readonly Check[];
  readonly figures: Figures;
  /** For people. */
  readonly text: string;
}

const LEAST: readonly (keyof Bounds)[] = ['streams', 'moved', 'successRatio'];

export function judge(figures: Figures, bounds: Bounds): Verdict {
  const { stallMs, detectionMs } = figures;
  const detections = Object.values(detectionMs);
  const values: Record<keyof Bounds, number> = {
    ...figures,
    stallP50Ms: stallMs.p50,
    stallP99Ms: stallMs.p99,
    stallMaxMs: stallMs.max,
    detectionP99Ms: Math.max(0, ...detections.map(({ p99 }) => p99)),
    detectionMaxMs: Math.max(0, ...detections.map(({ max }) => max)),
  };
  const checks = (Object.entries(bounds) as [keyof Bounds, number][]).map(([name, bound]): Check => {
    const isLeast = LEAST.includes(name);
    const value = values[name];
    return { name, value, bound, isLeast, holds: isLeast ? value >= bound : value <= bound };
  });
  const holds = checks.every((check) => check.holds);
  return { holds, checks, figures, text: renderFigures(figures, checks) };
}
