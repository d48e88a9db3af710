import { type Metric, Registry } from 'prom-client';
import { addCanaryFamilies } from './families/canary.js';
import { addDynamoFamilies, DYNAMO_PREFIX } from './families/dynamo.js';
import { addEventFamilies } from './families/events.js';
import { addGpuFamilies } from './families/gpu.js';
import { addHostFamilies } from './families/host.js';
import { addLoadFamilies } from './families/load.js';
import { addSelfFamilies, type SelfInput } from './families/self.js';
import {
  addLoopFamilies,
  addProbeFamilies,
  addRequestFamilies,
  addStateFamilies,
} from './families/service.js';
import { createFamilySet, type Family } from './family.js';
import type { MetricsInput } from './input.js';

/** All families of one scrape, without those that have no sample. */
export function buildFamilies(input: MetricsInput, self: SelfInput): Family[] {
  const set = createFamilySet();
  addStateFamilies(set, input);
  addHostFamilies(set, input);
  addGpuFamilies(set, input);
  addLoopFamilies(set, input);
  addRequestFamilies(set, input);
  addLoadFamilies(set, input);
  addEventFamilies(set, input);
  addCanaryFamilies(set, input);
  addProbeFamilies(set, input);
  addSelfFamilies(set, self);
  const dynamo = createFamilySet(DYNAMO_PREFIX);
  addDynamoFamilies(dynamo, input);
  return [...set.families(), ...dynamo.families()];
}

/**
 * Format 0.0.4, from a fresh registry for each scrape. The values are snapshots, and a counter's is its total already:
 * metric objects that live on could only repeat it (`reset()`, then `inc(total)`) at the price of hashing every label set.
 */
export async function renderText(input: MetricsInput, self: SelfInput): Promise<string> {
  const registry = new Registry();
  for (const family of buildFamilies(input, self)) registry.registerMetric(asMetric(family));
  return registry.metrics();
}

/** What a registry asks of a metric is a name and `get()`; prom-client's own aggregation registers such objects too. */
function asMetric(family: Family): Metric {
  return { ...family, get: async () => family } as unknown as Metric;
}
