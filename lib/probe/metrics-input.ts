import type { LoadReader } from '../admission/load-block.js';
import type { EventsInput, LoadInput, MetricsInput, ProbeInput } from '../metrics/input.js';
import type { NativeAddon } from '../native/addon.js';
import {
  CORES_BUSY_RATIO,
  CORES_COUNT,
  CORES_SLOTS,
  HOST_FIELDS,
  LOOP,
  LOOP_FIELDS,
} from '../native/layout.js';
import { DURATION_BOUNDS_MS } from '../requests/durations.js';
import type { RequestsReader } from '../requests/reader.js';
import type { EndpointCanary } from '../status/types.js';
import type { Evaluator } from './evaluator.js';
import { collectGpu } from './gpu-metrics.js';

export interface CollectOptions {
  readonly evaluator: Evaluator;
  readonly source: NativeAddon;
  readonly loop: number;
  readonly native: boolean;
  readonly perCore: boolean;
  readonly httpEngine: string;
  readonly version: string;
  readonly requests: RequestsReader;
  readonly load: LoadReader;
  readonly events: () => EventsInput | null;
  readonly probes: () => ProbeInput;
  readonly replacements: number;
  /** Whether the answer is for a Dynamo listener. */
  readonly isDynamo: boolean;
}

/** Takes the input of one scrape: copies, because the agent thread gets them. */
export function collectMetrics(options: CollectOptions): MetricsInput {
  const { evaluator, source } = options;
  evaluator.update();
  const { monoMs: nowMs } = evaluator.moment;
  const verdict = evaluator.verdict();
  const host = new Float64Array(HOST_FIELDS.length);
  const sampled = source.read('host', host) > 0;
  const loop = new Float64Array(LOOP_FIELDS.length);
  const monitored = source.readLoop(options.loop, loop);
  const loopSlot = (index: number): number => loop[index] ?? Number.NaN;
  const cores = options.perCore ? readCores(source) : null;
  const requests = options.requests.read(nowMs);
  const { gpu } = evaluator.state();
  return {
    nowMs,
    build: {
      version: options.version,
      native: options.native,
      httpEngine: options.httpEngine,
      node: process.version,
    },
    state: { live: verdict.live, ready: verdict.ready, phase: verdict.phase, status: verdict.health },
    components: verdict.components.map(({ name, status, observedAtMs, continuous }) => ({
      name,
      status,
      observedAtMs: continuous ? nowMs : observedAtMs,
    })),
    host: sampled ? host : null,
    ...(cores === null ? {} : { cores }),
    gpu: gpu === null || source.gpu === undefined ? null : collectGpu(gpu, source.gpu),
    loop: monitored
      ? {
          busyMs: evaluator.busyMs(),
          longestStallMs: loopSlot(LOOP.longestStallMs),
          stallCount: loopSlot(LOOP.stallCount),
          stallTotalMs: loopSlot(LOOP.stallTotalMs),
          utilization: loopSlot(LOOP.utilization),
          iterations: loopSlot(LOOP.iterations),
        }
      : null,
    requests: {
      active: requests.active,
      total: requests.completed + requests.failed,
      failed: requests.failed,
      tokens: requests.tokensTotal,
      durations: {
        boundsMs: Float64Array.from(DURATION_BOUNDS_MS),
        counts: differences(requests.histogram.cumulative),
        sumMs: requests.histogram.sumMs,
      },
    },
    dynamo: options.isDynamo ? { uptimeMs: nowMs - evaluator.state().startedAtMs } : null,
    load: loadInput(options.load),
    events: options.events(),
    canary: canaryInput(verdict.canaries),
    probe: options.probes(),
    probeThreadReplacements: options.replacements,
  };
}

function canaryInput(canaries: readonly EndpointCanary[]): MetricsInput['canary'] {
  if (canaries.length === 0) return null;
  const sums: Record<string, number> = {};
  for (const { counts } of canaries)
    for (const [outcome, count] of Object.entries(counts)) sums[outcome] = (sums[outcome] ?? 0) + count;
  return sums;
}

function loadInput(load: LoadReader): LoadInput {
  const { admitted, queued, reportedAtMs, figures, rejections } = load.read();
  const limits = load.shape()?.limits ?? null;
  return {
    admitted,
    queued,
    maxConcurrent: limits?.maxConcurrent ?? null,
    maxQueue: limits?.maxQueue ?? null,
    reportedAtMs,
    figures: { ...figures },
    rejections: { ...rejections },
  };
}

function readCores(source: NativeAddon): Float64Array | null {
  const slots = new Float64Array(CORES_SLOTS);
  if (source.read('cores', slots) === 0) return null;
  return slots.slice(CORES_BUSY_RATIO, CORES_BUSY_RATIO + (slots[CORES_COUNT] ?? 0));
}

/** Each bucket alone, from buckets that include those before them. */
function differences(cumulative: Float64Array): Float64Array {
  return cumulative.map((count, index) => count - (cumulative[index - 1] ?? 0));
}
