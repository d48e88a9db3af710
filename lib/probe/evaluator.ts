// Not the global: that is a getter, and this is on the path of every probe.
import { performance } from 'node:perf_hooks';
import type { LoadReader } from '../admission/load-block.js';
import { hostFacts } from '../dialects/facts.js';
import { LIVE, LIVE_COUNT, type Moment } from '../dialects/template.js';
import type { BuildInfo, FrontendView, StallView, View } from '../dialects/view.js';
import type { EngineJudge } from '../engine/judge.js';
import type { NativeAddon } from '../native/addon.js';
import { HOST_FIELDS, LOOP } from '../native/layout.js';
import type { StatusEvent } from '../status/events.js';
import { step } from '../status/reducer.js';
import type { LoopLevel, State } from '../status/types.js';
import { type Verdict, verdict } from '../status/verdict.js';
import type { GpuWatch } from './gpu-watch.js';

/** Slots of `NativeAddon.poll`. */
const NOW = 0;
const HOST_VERSION = 1;
const BUSY = 2;
const MONITORED = 3;
const UNIX = 4;
const GPU_VERSION = 5;
const SIGNAL_AT = 6;
const POLL_SLOTS = 7;

/** Probes that arrive together share one look at the clock and the counters; what changes is told to the millisecond. */
const FRESH_MS = 0.25;

export interface EvaluatorOptions {
  readonly source: NativeAddon;
  /** Id of the main thread's loop; −1 when it is not monitored. */
  readonly loop: number;
  readonly state: State;
  readonly build: BuildInfo;
  readonly degradedOk: boolean;
  readonly native: boolean;
  readonly load?: LoadReader;
  readonly frontend?: FrontendView | null;
  /** Only on the probe thread, which judges the GPUs for all. */
  readonly gpu?: GpuWatch;
  /** Likewise. */
  readonly engine?: EngineJudge;
}

/** The status as of the last `update()`, on any thread: pure steps over what the native block says. */
export interface Evaluator {
  readonly moment: Moment;
  /** One native call, and work only if something changed or expired. */
  update(): void;
  /** The probe path's first call: `update`, unless one was made for a probe less than a quarter of a millisecond ago. */
  refresh(): void;
  apply(event: StatusEvent): void;
  /** Takes over the state of another thread's evaluator. */
  replace(state: State): void;
  setLastStall(stall: StallView): void;
  setFrontend(frontend: FrontendView): void;
  state(): State;
  verdict(): Verdict;
  view(): View;
  /** Milliseconds for which the main loop has been busy; 0 when idle. */
  busyMs(): number;
  /** Changes with every new verdict. */
  verdictGeneration(): number;
  /** Changes with every new verdict and every host sample. */
  documentGeneration(): number;
}

/** As the application says. */
function isLoading({ components }: State): boolean {
  return components.some(
    ({ name, reason }) => reason === `${name}.loading` && (name === 'model' || name === 'inference_engine'),
  );
}

export function createEvaluator(options: EvaluatorOptions): Evaluator {
  const { source, loop, gpu, load, engine } = options;
  const polled = new Float64Array(POLL_SLOTS);
  const host = new Float64Array(HOST_FIELDS.length).fill(Number.NaN);
  const loopSlots = new Float64Array(Object.keys(LOOP).length);
  const moment: Moment = { monoMs: 0, unixMs: 0, live: new Float64Array(LIVE_COUNT) };

  let state = options.state;
  let hostVersion = 0;
  let judged: Verdict | null = null;
  let verdictGeneration = 0;
  let documentGeneration = 0;
  let lastStall: StallView | null = null;
  let frontend: FrontendView | null = options.frontend ?? null;
  let loadShape = 0;
  let signalAtMs = 0;
  let refreshedAtMs = Number.NEGATIVE_INFINITY;

  function apply(event: StatusEvent): void {
    gpu?.observe(event, moment.monoMs);
    const next = step(state, event);
    if (next === state) return;
    state = next;
    judged = null;
  }

  function levelOf(busyMs: number): LoopLevel {
    const { policy } = state;
    return busyMs >= policy.liveStallMs ? 'stalled' : busyMs >= policy.loopUnreadyMs ? 'blocked' : 'turning';
  }

  function update(): void {
    source.poll(loop, polled);
    const nowMs = polled[NOW] ?? 0;
    const busyMs = polled[BUSY] ?? 0;
    moment.monoMs = nowMs;
    moment.unixMs = polled[UNIX] ?? 0;
    moment.live[LIVE.loopBusyMs] = Math.floor(busyMs);
    // The main thread may learn of the signal late; a drain that was taken back is not begun by the same signal again.
    const cameAtMs = polled[SIGNAL_AT] ?? 0;
    if (cameAtMs !== signalAtMs) {
      signalAtMs = cameAtMs;
      if (cameAtMs > 0 && (state.phase === 'starting' || state.phase === 'serving'))
        apply({ type: 'phase', atMs: cameAtMs, phase: 'draining' });
    }
    if (polled[HOST_VERSION] !== hostVersion) {
      hostVersion = source.read('host', host);
      apply({ type: 'sample', facts: hostFacts(host) });
      documentGeneration += 1;
    }
    if (gpu?.isDue(polled[GPU_VERSION] ?? 0, nowMs)) {
      const report = gpu.step(nowMs);
      if (report !== null || state.gpu !== null) {
        apply({ type: 'gpu', report });
        documentGeneration += 1;
      }
    }
    if (engine?.isDue(nowMs)) {
      const finding = engine.step(nowMs, busyMs, isLoading(state));
      if (finding !== state.engine) apply({ type: 'engine', finding });
    }
    const shape = load?.shapeVersion() ?? 0;
    if (shape !== loadShape) {
      loadShape = shape;
      documentGeneration += 1;
    }
    const level = levelOf(busyMs);
    if (level !== state.loop) apply({ type: 'loop', atMs: nowMs, level, sinceMs: nowMs - busyMs });
    if (judged === null || nowMs >= judged.validUntilMs) {
      judged = verdict(state, nowMs);
      verdictGeneration += 1;
      documentGeneration += 1;
    }
  }

  function current(): Verdict {
    if (judged === null) update();
    return judged ?? verdict(state, moment.monoMs);
  }

  function refresh(): void {
    const nowMs = performance.now();
    if (judged !== null && nowMs - refreshedAtMs < FRESH_MS) return;
    refreshedAtMs = nowMs;
    update();
  }

  return {
    moment,
    update,
    refresh,
    apply,
    replace(next) {
      state = next;
      judged = null;
    },
    setLastStall(stall) {
      // A script may name its functions as it likes; NUL is the mark of the template's placeholders.
      const frames = stall.frames.map((frame) => ({
        ...frame,
        functionName: frame.functionName.replaceAll('\0', ''),
        url: frame.url.replaceAll('\0', ''),
      }));
      lastStall = { ...stall, frames };
      documentGeneration += 1;
    },
    setFrontend(next) {
      frontend = next;
      verdictGeneration += 1;
    },
    state: () => state,
    verdict: current,
    view() {
      const monitored = source.readLoop(loop, loopSlots);
      const loopSlot = (index: number): number => (monitored ? (loopSlots[index] ?? Number.NaN) : Number.NaN);
      return {
        verdict: current(),
        startedAtMs: state.startedAtMs,
        unixOffsetMs: moment.unixMs - moment.monoMs,
        build: options.build,
        host,
        loop: {
          monitored: polled[MONITORED] === 1,
          longestStallMs: loopSlot(LOOP.longestStallMs),
          stallCount: loopSlot(LOOP.stallCount),
          stallTotalMs: loopSlot(LOOP.stallTotalMs),
          utilization: loopSlot(LOOP.utilization),
          lastStall,
        },
        gpu: state.gpu,
        load: load?.shape() ?? null,
        frontend,
        degradedOk: options.degradedOk,
        native: options.native,
      };
    },
    busyMs: () => polled[BUSY] ?? 0,
    verdictGeneration: () => verdictGeneration,
    documentGeneration: () => documentGeneration,
  };
}
