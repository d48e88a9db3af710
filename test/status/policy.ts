import type { Policy } from '../../lib/status/types.js';

/** The defaults, without a time of grace at the start. */
export const POLICY: Policy = {
  startupGraceMs: 0,
  liveStallMs: 60_000,
  loopUnreadyMs: 1000,
  memoryDegradedPercent: 80,
  memoryUnhealthyPercent: 90,
  gates: [],
  aggregation: 'documented',
  requiredEndpoints: [],
  startingHealthStatus: 'notready',
  sampleStaleMs: 5000,
};
