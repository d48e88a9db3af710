/** What a worker says of itself. */
import type { Health } from '../lifecycle/health.js';
import type { WorkerBeacon } from '../wire/beacon.js';
import type { Engine } from './engine.js';

export function beaconOf(
  engine: Engine,
  health: Health,
  names: Pick<WorkerBeacon, 'worker' | 'incarnation'>,
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
    kvBlocksUsed: figures.kvBlocksUsed ?? 0,
    kvBlocksTotal: figures.kvBlocksTotal ?? 0,
    expectedStepMs: figures.expectedStepMs ?? 0,
    ...(figures.activeTokens === undefined ? {} : { activeTokens: figures.activeTokens }),
    ...(figures.prefillTokens === undefined ? {} : { prefillTokens: figures.prefillTokens }),
    ...(figures.maxBatchedTokens === undefined ? {} : { maxBatchedTokens: figures.maxBatchedTokens }),
  };
}
