/** Upper bounds in milliseconds that are worth a time series; an inference request takes from a millisecond to minutes. */
const TARGETS_MS = [
  1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 120_000, 300_000, 600_000,
];
const MOST_BUCKETS = 24;

/**
 * Reduces a fine histogram, as percentiles want it, to as many buckets as a scrape should carry. Each bound that stays
 * is a bound of the source, so every bucket still says exactly what it counts.
 * @param boundsMs rising upper bounds.
 * @param counts observations per bucket, one more than bounds.
 */
export function coarsen(
  boundsMs: Float64Array,
  counts: Float64Array,
): { readonly boundsMs: number[]; readonly counts: number[] } {
  const keep = boundsMs.length <= MOST_BUCKETS ? Array.from(boundsMs.keys()) : nearestOf(boundsMs);
  const kept: number[] = [];
  let from = 0;
  for (const index of [...keep, counts.length - 1]) {
    let sum = 0;
    for (; from <= index; from += 1) sum += counts[from] ?? 0;
    kept.push(sum);
  }
  return { boundsMs: keep.map((index) => boundsMs[index] ?? Number.POSITIVE_INFINITY), counts: kept };
}

/** Indices of the bounds nearest to the targets (by ratio), each once. */
function nearestOf(boundsMs: Float64Array): number[] {
  const found = new Set<number>();
  const lowest = boundsMs[0] ?? 0;
  const highest = boundsMs[boundsMs.length - 1] ?? 0;
  for (const target of TARGETS_MS) {
    if (target < lowest || target > highest) continue;
    let best = 0;
    boundsMs.forEach((bound, index) => {
      if (distance(bound, target) < distance(boundsMs[best] ?? 0, target)) best = index;
    });
    found.add(best);
  }
  return [...found].sort((a, b) => a - b);
}

function distance(bound: number, target: number): number {
  return bound > 0 ? Math.abs(Math.log(bound / target)) : Number.POSITIVE_INFINITY;
}
