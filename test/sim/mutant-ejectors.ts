/** Ejectors with the defects of the table in mutants.ts. */
import { createEjector, type Ejector } from '../../lib/fleet/ejector.js';
import type { WorkerRef } from '../../lib/fleet/types.js';
import { override } from './override.js';

/** Any change of the discovery lets every sick worker back in. */
export function createSweepingEjector(): Ejector {
  const inner = createEjector();
  const refs = new Map<string, WorkerRef>();
  const sweep = (atMs: number): void => {
    for (const ref of refs.values()) inner.remove(ref, atMs);
    for (const ref of refs.values()) inner.add(ref, atMs);
  };
  return override(inner, {
    add(ref, atMs) {
      const old = refs.get(ref.worker);
      if (old !== undefined) inner.remove(old, atMs);
      refs.set(ref.worker, ref);
      sweep(atMs);
    },
    remove(ref, atMs) {
      refs.delete(ref.worker);
      inner.remove(ref, atMs);
      sweep(atMs);
    },
  });
}

/** Whoever asks while a worker is half-open may try. */
export function createOpenHandedEjector(): Ejector {
  const inner = createEjector();
  return override(inner, {
    permit(ref, atMs) {
      const generation = inner.permit(ref, atMs);
      if (generation !== null) inner.outcome(ref, generation, 'cancelled', atMs, 0);
      return generation;
    },
  });
}

/** A trial that has not ended within a moment does not keep the next one from beginning. */
export function createImpatientEjector(): Ejector {
  const inner = createEjector();
  const tried = new Map<string, { ref: WorkerRef; generation: number; atMs: number }>();
  return override(inner, {
    permit(ref, atMs) {
      const generation = inner.permit(ref, atMs);
      if (generation !== null) tried.set(ref.worker, { ref, generation, atMs });
      return generation;
    },
    view(atMs, isAvailable) {
      for (const [worker, trial] of tried) {
        if (atMs - trial.atMs < 50) continue;
        tried.delete(worker);
        inner.outcome(trial.ref, trial.generation, 'cancelled', atMs, 0);
      }
      return inner.view(atMs, isAvailable);
    },
  });
}

/** Outcomes count whenever their requests began. */
export function createForgetfulEjector(): Ejector {
  const inner = createEjector();
  return override(inner, {
    outcome(ref, _generation, outcome, atMs, random) {
      const now = inner.permit(ref, Number.NEGATIVE_INFINITY);
      if (now !== null) inner.outcome(ref, now, outcome, atMs, random);
    },
  });
}
