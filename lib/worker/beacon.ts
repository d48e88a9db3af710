/** What a worker says of itself. */
import type { Health } from '../lifecycle/health.js';
import type { WorkerBeacon } from '../wire/beacon.js';
import type { Engine } from './engine.js';

/** @param activeTokens by the worker's own count, for engines that do not tell */
export function beaconOf(
  engine: Engine,
  health: Health,
  names: Pick<WorkerBeacon, 'worker' | 'incarnation'>,
  activeTokens: number,
): WorkerBeacon {
  const figures = engine.figures();
  const { phase, ready } = health.status();
  return {
    ...names,
    model: engine.model,
    state: phase === 'starting' || phase === 'serving' ? 'serving' : 'draining',
    ready,
    engineStep: figures.step,
    running: figures.running,
    waiting: figures.waiting,
    scheduledTokens: figures.scheduledTokens ?? figures.step,
    activeTokens: figures.activeTokens ?? activeTokens,
    kvBlocksUsed: figures.kvBlocksUsed ?? 0,
    kvBlocksTotal: figures.kvBlocksTotal ?? 0,
    expectedStepMs: figures.expectedStepMs ?? 0,
    ...(figures.prefillTokens === undefined ? {} : { prefillTokens: figures.prefillTokens }),
    ...(figures.maxBatchedTokens === undefined ? {} : { maxBatchedTokens: figures.maxBatchedTokens }),
  };
}
