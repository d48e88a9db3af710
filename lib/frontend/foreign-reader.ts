/**
 * What a server of somebody else would say of itself if it sent beacons: from its health route, its list of models and, of vLLM,
 * its metrics, asked in turn for ever.
 */
import type { Dispatcher } from 'undici';
import type { WorkerHealthOptions } from '../fleet/worker-health.js';
import type { WorkerBeacon } from '../wire/beacon.js';
import type { BeaconReader } from './beacon-reader.js';
import type { ForeignEngine } from './worker-url.js';

/** Their routes are answered by the loop that streams tokens too: half a second of silence says nothing. */
const EVERY_MS = 500;
const ANSWER_LIMIT_MS = 5000;
const MODELS_EVERY_MS = 30_000;
const MAX_BODY = 4 * 1024 * 1024;

/** A busy server of these answers late, and must not be taken for a frozen one. */
export const FOREIGN_HEALTH: WorkerHealthOptions = {
  suspectAfterMs: 3000,
  frozenAfterMs: 10_000,
  slowAfterMs: 5000,
  hungAfterMs: 15_000,
};

interface Figures {
  readonly steps: number;
  readonly running: number;
  readonly waiting: number;
  readonly kvUsage: number;
  /** Of the process; another one is another life. */
  readonly startedAt: string | null;
}

export function readForeign(
  http: Dispatcher,
  { engine, name }: { readonly engine: ForeignEngine; readonly name: string },
  on: {
    beacon(beacon: WorkerBeacon): void;
    lost(error: Error, refused: boolean): void;
  },
): BeaconReader {
  const closed = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let life = 0;
  let isLost = false;
  let model: string | null = null;
  let modelAtMs = Number.NEGATIVE_INFINITY;
  let polls = 0;
  let hasHealth = true;
  let hasMetrics = engine === 'vllm';

  async function get(path: string): Promise<{ readonly status: number; readonly text: string }> {
    const { statusCode, body } = await http.request({
      ...{
        path,
        method: 'GET',
        signal: AbortSignal.any([closed.signal, AbortSignal.timeout(ANSWER_LIMIT_MS)]),
      },
    });
    let text = '';
    for await (const chunk of body) {
      text += String(chunk);
      if (text.length > MAX_BODY) throw new Error(`GET ${path}: more than ${MAX_BODY} characters`);
    }
    return { status: statusCode, text };
  }

  async function isReady(): Promise<boolean> {
    if (!hasHealth) return true;
    const { status } = await get('/health');
    // Some have no such route; then their list of models has to do.
    if (status === 404) hasHealth = false;
    return status === 200 || status === 404;
  }

  async function readModel(): Promise<string> {
    if (model !== null && hasHealth && performance.now() - modelAtMs < MODELS_EVERY_MS) return model;
    const { status, text } = await get('/v1/models');
    const [first] = (JSON.parse(text) as { data?: { id?: unknown }[] }).data ?? [];
    if (status !== 200 || typeof first?.id !== 'string')
      throw new Error(`GET /v1/models answered ${status} without a model`);
    modelAtMs = performance.now();
    model = first.id;
    return model;
  }

  async function readFigures(): Promise<Figures | null> {
    if (!hasMetrics) return null;
    const { status, text } = await get('/metrics');
    if (status !== 200) hasMetrics = false;
    return status === 200 ? vllmFigures(text) : null;
  }

  async function poll(): Promise<void> {
    const ready = await isReady();
    const [served, figures] = ready ? await Promise.all([readModel(), readFigures()]) : [model ?? '', null];
    if (closed.signal.aborted) return;
    if (isLost) life += 1;
    isLost = false;
    polls += 1;
    // Before the first model is known there is nothing to route to.
    if (served === '') return;
    on.beacon({
      ...{
        worker: name,
        incarnation: `${name}#${figures?.startedAt ?? life}`,
        model: served,
        state: 'serving',
        ready,
      },
      // Without figures every answer counts as progress: a hung engine is then seen by its streams alone.
      ...{ engineStep: figures?.steps ?? polls, scheduledTokens: figures?.steps ?? polls },
      ...{ running: figures?.running ?? 0, waiting: figures?.waiting ?? 0, expectedStepMs: 0 },
      ...{
        kvBlocksUsed: figures === null ? 0 : figures.kvUsage * 1000,
        kvBlocksTotal: figures === null ? 0 : 1000,
      },
    });
  }

  function run(): void {
    poll()
      .catch((error: Error & { code?: string }) => {
        if (closed.signal.aborted) return;
        const refused = error.code === 'ECONNREFUSED' || error.code === 'ENOENT';
        isLost ||= refused;
        on.lost(error, refused);
      })
      .finally(() => {
        if (!closed.signal.aborted) timer = setTimeout(run, EVERY_MS);
      });
  }
  run();
  return {
    rest() {
      // No beacons of it come another way.
    },
    again() {
      // The next question is asked over a new connection where the old one has gone.
    },
    close() {
      closed.abort();
      clearTimeout(timer);
    },
  };
}

/** Sums over engines and models, of what vLLM has called so since its version 0.6; null where nothing counts its steps. */
export function vllmFigures(text: string): Figures | null {
  const sums = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [, name, value] = /^((?:vllm:|process_start)[\w:]+)(?:\{[^}]*\})? (\S+)$/.exec(line.trim()) ?? [];
    if (name !== undefined) sums.set(name, (sums.get(name) ?? 0) + Number(value));
  }
  const steps = sums.get('vllm:iteration_tokens_total_sum') ?? sums.get('vllm:generation_tokens_total');
  if (steps === undefined || Number.isNaN(steps)) return null;
  return {
    steps,
    running: sums.get('vllm:num_requests_running') ?? 0,
    waiting: sums.get('vllm:num_requests_waiting') ?? 0,
    kvUsage: sums.get('vllm:kv_cache_usage_perc') ?? sums.get('vllm:gpu_cache_usage_perc') ?? 0,
    startedAt: sums.get('process_start_time_seconds')?.toString() ?? null,
  };
}
