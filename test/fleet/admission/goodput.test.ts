import { describe, expect, it } from 'vitest';
import * as admission from '../../../lib/fleet/admission/admission.js';
import * as busyWorkers from '../../../lib/fleet/admission/busy-workers.js';
import { createRetryBudget } from '../../../lib/fleet/retry-budget.js';
import * as serviceRate from '../../../lib/fleet/service-rate.js';
import { createExperiment, FULL, MODELS, outage } from '../../../scripts/lib/goodput/experiment.mjs';

// A short form of `npm run proof -- goodput`, with bounds for its shorter runs.
const experiment = createExperiment({
  model: MODELS.accelerator,
  lib: { ...admission, ...busyWorkers, ...serviceRate },
  seed: 1,
});
const short = { durationMs: 40_000, warmMs: 20_000 };

describe('goodput', () => {
  it('stays where it was at three times the load with all of admission, and collapses without', () => {
    const peak = experiment.steady('off', 1, short);
    expect(experiment.steady(FULL, 3, short) / peak).toBeGreaterThan(0.9);
    expect(experiment.steady('off', 2, short) / peak).toBeLessThan(0.1);
  });

  it('is back within 10 s after a burst', () => {
    expect(experiment.recovery(FULL)).toBeLessThanOrEqual(10);
  });

  it('is the same for the same seed', () => {
    const once = () => experiment.steady(FULL, 1.5, { durationMs: 5000, warmMs: 0 });
    expect(once()).toBe(once());
  });
});

describe('a total outage', () => {
  it('takes at most a fifth more attempts than requests at any rate', () => {
    for (const rate of [5, 20, 100]) expect(outage({ createRetryBudget, rate })).toBeLessThanOrEqual(1.2);
  });
});
