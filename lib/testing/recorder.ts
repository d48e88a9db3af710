/** Collects what clients got and what the logs say, and makes figures of it. */
import type { Injected } from './injected.js';
import type { Measured } from './load.js';
import { type Spread, spread } from './spread.js';
import type { TimelineEvent } from './timeline.js';
import type { FaultName } from './types.js';
import type { Difference, Figures } from './verdict.js';

export interface Recorder {
  result(result: Measured): void;
  event(event: TimelineEvent): void;
  fault(name: FaultName, injected: Injected): void;
  figures(expected: readonly string[], strayExits: number): Figures;
}

/** A fault that was longer ago has not been the cause. */
const CAUSE_LIMIT_MS = 30_000;
const MAX_DIFFERENCES = 20;

interface Struck {
  readonly name: FaultName;
  readonly atMs: number;
  /** Frontends that have found its next life since: what happens there has other causes. */
  readonly foundBy: Set<string>;
  isOut: boolean;
}

export function createRecorder(): Recorder {
  const counts = { whole: 0, differed: 0, failed: 0, rejected: 0 };
  let unexplained = 0;
  const gaps: { readonly id: string; readonly ms: number }[] = [];
  const firsts: number[] = [];
  const differences: Measured[] = [];
  const errors: Record<string, number> = {};
  const moves = new Map<string, Difference['moves'][number][]>();
  const struck = new Map<string, Struck>();
  const detections = new Map<FaultName, number[]>();
  const outs = new Map<FaultName, number[]>();
  const faults: Partial<Record<FaultName, number>> = {};
  let moved = 0;

  const push = (map: Map<FaultName, number[]>, name: FaultName, value: number): void => {
    const list = map.get(name) ?? [];
    list.push(value);
    map.set(name, list);
  };
  const spreads = (map: ReadonlyMap<FaultName, readonly number[]>): Partial<Record<FaultName, Spread>> =>
    Object.fromEntries([...map].map(([name, values]) => [name, spread(values)]));

  return {
    result(result) {
      const { outcome, retryAfter, error, firstTextMs, startedMs } = result;
      counts[outcome] += 1;
      if (outcome === 'rejected' && retryAfter === null) unexplained += 1;
      if (error !== null) errors[error] = (errors[error] ?? 0) + 1;
      if (outcome === 'differed' && differences.length < MAX_DIFFERENCES) differences.push(result);
      if (firstTextMs === null) return;
      firsts.push(firstTextMs - startedMs);
      gaps.push({ id: result.id, ms: result.longestGapMs });
    },
    event({ atMs, source, message, fields }) {
      if (message === 'stream moves') {
        const { request, from, outcome, tokens } = fields as {
          request: string;
          from: string;
          outcome: string;
          tokens: number;
        };
        moved += 1;
        moves.set(request, [...(moves.get(request) ?? []), { from, outcome, tokens }]);
        const cause = struck.get(from);
        if (cause !== undefined && !cause.foundBy.has(source) && atMs - cause.atMs < CAUSE_LIMIT_MS)
          push(detections, cause.name, Math.max(0, atMs - cause.atMs));
        return;
      }
      if (message === 'worker found') struck.get(String(fields.worker))?.foundBy.add(source);
      const isOut =
        ['worker ejected', 'worker gone', 'worker drains'].includes(message) ||
        (message === 'worker condition' && fields.condition !== 'alive' && fields.condition !== 'suspect');
      const cause = struck.get(String(fields.worker));
      if (!isOut || cause === undefined || cause.isOut || atMs - cause.atMs >= CAUSE_LIMIT_MS) return;
      cause.isOut = true;
      push(outs, cause.name, Math.max(0, atMs - cause.atMs));
    },
    fault(name, { targets, atMs }) {
      faults[name] = (faults[name] ?? 0) + 1;
      for (const target of targets) struck.set(target, { name, atMs, foundBy: new Set(), isOut: false });
    },
    figures(expected, strayExits) {
      const { whole, differed, failed, rejected } = counts;
      const streams = whole + differed + failed + rejected;
      const own = gaps.filter(({ id }) => moves.has(id)).map(({ ms }) => ms);
      const others = gaps.filter(({ id }) => !moves.has(id)).map(({ ms }) => ms);
      return {
        ...{ streams, ...counts, rejectedWithoutRetryAfter: unexplained, strayExits, moved },
        successRatio: streams === 0 ? 0 : whole / streams,
        movedStreams: own.length,
        stallMs: spread(own),
        otherStallMs: spread(others),
        firstTextMs: spread(firsts),
        detectionMs: spreads(detections),
        outMs: spreads(outs),
        faults,
        errors,
        differences: differences.map(({ id, prompt, differsAt, text }) => ({
          ...{ id, prompt, at: differsAt },
          expected: (expected[prompt] ?? '').slice(differsAt, differsAt + 60),
          got: text.slice(differsAt, differsAt + 60),
          moves: moves.get(id) ?? [],
        })),
      };
    },
  };
}
