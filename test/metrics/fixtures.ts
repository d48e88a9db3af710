import type { AppErrorCounts } from '../../lib/metrics/families/self.js';
import type { GpuDeviceInput, MetricsInput } from '../../lib/metrics/input.js';
import { createProbeHistogram } from '../../lib/metrics/probe-histogram.js';
import { HOST, HOST_FIELDS } from '../../lib/native/layout.js';

export const NO_ERRORS: AppErrorCounts = { malformed: 0, registry: 0, timeout: 0, too_large: 0 };

/** A section `host` where every field has a value and nothing is wrong, then `changes`. */
export function hostSection(changes: Partial<Record<keyof typeof HOST, number>> = {}): Float64Array {
  const host = new Float64Array(HOST_FIELDS.length);
  HOST_FIELDS.forEach((field, index) => {
    host[index] = field.endsWith('Reason') ? 0 : field.endsWith('Ratio') ? 0.25 : index + 1;
  });
  for (const [field, value] of Object.entries(changes)) host[HOST[field as keyof typeof HOST]] = value;
  return host;
}

/** A section `host` in which nothing could be read. */
export function emptyHostSection(): Float64Array {
  return new Float64Array(HOST_FIELDS.length).fill(Number.NaN);
}

/** An input that has a sample for every metric, then `changes`. */
export function metricsInput(changes: Partial<MetricsInput> = {}): MetricsInput {
  const probes = createProbeHistogram(['/health', '/livez', 'other']);
  probes.observe(0, 2, 0.04);
  probes.observe(0, 5, 3);
  probes.observe(1, 2, 5000);
  return {
    nowMs: 61_000,
    build: { version: '0.1.0', native: true, httpEngine: 'uws', node: 'v20.20.2' },
    state: { live: true, ready: false, phase: 'serving', status: 'degraded' },
    components: [
      { name: 'memory', status: 'degraded', observedAtMs: 60_500 },
      { name: 'my "own"\\check\n', status: 'unknown', observedAtMs: Number.NaN },
    ],
    host: hostSection({ observedAtMs: 60_000, cpuReason: 2 }),
    cores: Float64Array.of(0.5, 0.75),
    gpu: {
      devices: [gpuDevice({})],
      findings: [{ code: 'gpu.xid.79', uuid: 'GPU-1', index: 0 }],
      restartHelps: false,
      xids: [
        { uuid: 'GPU-1', index: 0, xid: 79, isSxid: false, count: 2 },
        { uuid: null, index: null, xid: 20034, isSxid: true, count: 1 },
      ],
      xidsDropped: 0,
      calls: [{ call: 'nvmlInit_v2', count: 1, sumMs: 30 }],
    },
    canary: { ok: 7, failed: 1, timeout: 2, empty: 0, inconclusive: 3 },
    load: {
      admitted: 3,
      queued: 1,
      maxConcurrent: 4,
      maxQueue: 16,
      reportedAtMs: 60_900,
      figures: { running: 3, waiting: 2, kvBlocksUsed: 70, kvBlocksTotal: 100, prefillTokens: 4096 },
      rejections: { queue_full: 5, queue_bytes: 0, queue_timeout: 1, deadline: 0, draining: 0 },
    },
    events: { isConnected: true, reconnects: 2, sent: 4000, dropped: 12 },
    loop: {
      busyMs: 1500,
      longestStallMs: 2500,
      stallCount: 3,
      stallTotalMs: 4200,
      utilization: 0.3,
      iterations: 1e6,
    },
    requests: {
      active: 2,
      total: 10,
      failed: 1,
      tokens: 4096,
      durations: { boundsMs: Float64Array.of(10, 100), counts: Float64Array.of(4, 5, 1), sumMs: 1234 },
    },
    probe: probes.snapshot(7),
    probeThreadReplacements: 1,
    ...changes,
  };
}

/** A GPU that has every value, then `changes`. */
export function gpuDevice(changes: Partial<GpuDeviceInput>): GpuDeviceInput {
  return {
    uuid: 'GPU-1',
    index: 0,
    model: 'NVIDIA H100 80GB HBM3',
    present: true,
    used: true,
    sampledAtMs: 60_500,
    memUsedBytes: 24,
    memTotalBytes: 80,
    utilGpuPercent: 35,
    temperatureC: 45,
    powerMw: 310_500,
    eccVolatileUncorrected: 0,
    recoveryAction: 0,
    ...changes,
  };
}

/** Samples of one metric out of a text: labels (as written, or an empty string) → value. */
export function samplesOf(text: string, name: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const line of text.split('\n')) {
    const match = /^([a-zA-Z0-9_:]+)(\{.*\})? (\S+)$/.exec(line);
    if (match?.[1] === name) found.set(match[2] ?? '', Number(match[3]));
  }
  return found;
}
