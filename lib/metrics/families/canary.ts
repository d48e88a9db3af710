import type { FamilySet } from '../family.js';
import type { MetricsInput } from '../input.js';

/** The test requests to served endpoints. */
export function addCanaryFamilies(set: FamilySet, { canary }: MetricsInput): void {
  if (canary === null) return;
  const total = set.counter('canary_total', 'Test requests to served endpoints, by how they ended.');
  for (const [outcome, count] of Object.entries(canary)) total.add(count, { outcome });
}
