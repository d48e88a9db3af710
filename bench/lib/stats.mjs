/** Middle value; of an even number of values the lower one of the two, so that it is always one that was measured. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
}

/** Median of the quotients of two series that were measured in turn. */
export function medianRatio(series, reference) {
  return median(series.map((value, index) => value / reference[index]));
}

/** Microseconds as a reader wants them. */
export function formatUs(us) {
  if (us === null || us === undefined || Number.isNaN(us)) return '–';
  if (us >= 1e6) return `${(us / 1e6).toFixed(2)} s`;
  if (us >= 1e4) return `${(us / 1e3).toFixed(0)} ms`;
  if (us >= 1e3) return `${(us / 1e3).toFixed(2)} ms`;
  if (us >= 10) return `${us.toFixed(0)} µs`;
  return `${us.toFixed(2)} µs`;
}

export function formatRatio(ratio) {
  return Number.isFinite(ratio) ? `${ratio >= 100 ? ratio.toFixed(0) : ratio.toFixed(2)} ×` : '–';
}
