import { expect, test } from 'vitest';
import {
  createProbeHistogram,
  PROBE_BOUNDS_MS,
  probeHistogramBytes,
} from '../../lib/metrics/probe-histogram.js';

const ROUTES = ['/health', '/livez', 'other'];

test('an answer is counted under its route, its status class and its bucket', () => {
  const histogram = createProbeHistogram(ROUTES);
  histogram.observe(1, 2, 0.01);
  histogram.observe(1, 5, 0.011);
  const { counts, durations, connections } = histogram.snapshot(4);
  expect([...counts]).toEqual([0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0]);
  expect([...durations[1]!.counts.slice(0, 3)]).toEqual([1, 1, 0]);
  expect(durations[1]!.sumMs).toBeCloseTo(0.021);
  expect(connections).toBe(4);
});

test('what is longer than the last bound goes into the bucket above it', () => {
  const histogram = createProbeHistogram(ROUTES);
  histogram.observe(0, 2, 1001);
  const { counts } = histogram.snapshot(0).durations[0]!;
  expect(counts.length).toBe(PROBE_BOUNDS_MS.length + 1);
  expect(counts.at(-1)).toBe(1);
});

test('a route or status class out of range counts as the last one and never elsewhere', () => {
  const histogram = createProbeHistogram(ROUTES);
  for (const route of [-1, 3, 99, Number.NaN]) histogram.observe(route, 2, 1);
  for (const status of [0, 6, Number.NaN]) histogram.observe(2, status, 1);
  const { counts } = histogram.snapshot(0);
  expect([...counts]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 3]);
});

test('counts go on in a second histogram over the same storage, and beyond 2^32', () => {
  const storage = new SharedArrayBuffer(probeHistogramBytes(ROUTES.length));
  const first = createProbeHistogram(ROUTES, storage);
  first.observe(0, 2, 1);
  new Float64Array(storage)[1] = 2 ** 32;
  const second = createProbeHistogram(ROUTES, storage);
  second.observe(0, 2, 1);
  expect(second.snapshot(0).counts[1]).toBe(2 ** 32 + 1);
  expect(second.snapshot(0).durations[0]!.sumMs).toBe(2);
});

test('a snapshot does not change with later answers and can be cloned to another thread', () => {
  const histogram = createProbeHistogram(ROUTES, new SharedArrayBuffer(probeHistogramBytes(ROUTES.length)));
  const before = histogram.snapshot(0);
  histogram.observe(0, 2, 1);
  expect(before.counts.every((count) => count === 0)).toBe(true);
  const cloned = structuredClone(before);
  expect(cloned.durations[0]!.counts.buffer).toBeInstanceOf(ArrayBuffer);
});

test('a hundred thousand answers allocate nothing', () => {
  const histogram = createProbeHistogram(ROUTES);
  const gc = globalThis.gc;
  const run = () => {
    for (let index = 0; index < 100_000; index += 1) histogram.observe(index & 1, 2, 0.02 + (index & 7));
  };
  run();
  gc?.();
  const before = process.memoryUsage().heapUsed;
  run();
  // Boxed numbers would be 16 bytes each: 1.6 MB at least.
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(1_000_000);
});
