// One run: clients, one admission policy, a few workers, virtual time.

import { createRandom } from '../random.mjs';
import { createEngine } from './engine.mjs';

export const TTFT_MS = 2000;
/** A client that has no token by then goes. */
export const PATIENCE_MS = 30_000;
const TICK_MS = 50;
export const MEAN_PROMPT = 512;
export const MEAN_OUTPUT = 128;

/** Poisson arrivals at `perSecond(ms)`, at most `most` a second; sizes vary fourfold around their means. */
export function arrivals(seed, durationMs, perSecond, most) {
  const random = createRandom(seed);
  const size = (mean) => Math.max(4, Math.round(mean * 0.4 * 4 ** (1.15 * random())));
  const list = [];
  for (let atMs = 0; ; ) {
    atMs += (-Math.log(1 - random()) / most) * 1000;
    if (atMs >= durationMs) return list;
    const promptTokens = size(MEAN_PROMPT);
    const outputTokens = size(MEAN_OUTPUT);
    const tenant = `tenant ${Math.floor(random() * 8)}`;
    const isKept = random() < perSecond(atMs) / most;
    if (isKept) list.push({ atMs, promptTokens, outputTokens, tenant, random: random() });
  }
}

const batchOf = ({ maxSequences, kvTokens }) =>
  Math.min(maxSequences, Math.floor(kvTokens / (MEAN_PROMPT + MEAN_OUTPUT)));

/** In the time in which each sequence gets one token, as many prompts must be prefilled as requests end. */
export function fullStepMs(model) {
  const prefillTokens = (batchOf(model) / MEAN_OUTPUT) * MEAN_PROMPT;
  const prefillMs = (prefillTokens / model.prefillTokensPerSecond) * 1000;
  return model.stepBaseMs + model.stepPerSequenceMs * batchOf(model) + prefillMs;
}

/** Requests a second that the pool can serve, by its model. */
export const capacity = (model, workers) =>
  (workers * (batchOf(model) / MEAN_OUTPUT) * 1000) / fullStepMs(model);

/**
 * @param {object} options
 * @param {object[]} options.requests from `arrivals`
 * @param {(env: object) => object} options.policy
 * @returns every request with `outcome`: good, late, slow, rejected or left
 */
export function runWorld({ model, workers, requests, policy, interTokenMs, durationMs, lib }) {
  let nowMs = 0;
  const all = requests.map((request, id) => ({
    ...request,
    id,
    deadlineMs: request.atMs + TTFT_MS,
    done: 0,
    firstMs: Number.NaN,
    endMs: Number.NaN,
    isGone: false,
    outcome: null,
  }));
  const engines = Array.from({ length: workers }, (_, worker) => {
    return createEngine(model, {
      token(request, atMs) {
        if (request.done === 1) request.firstMs = atMs;
        gate.token?.(request, atMs);
      },
      ended(request, atMs) {
        load[worker] -= request.promptTokens + request.outputTokens;
        request.endMs = atMs;
        const interMs = (atMs - request.firstMs) / Math.max(1, request.outputTokens - 1);
        const isLate = request.firstMs > request.deadlineMs;
        request.outcome = isLate ? 'late' : interMs > interTokenMs ? 'slow' : 'good';
        gate.ended?.(request, atMs);
      },
    });
  });
  const load = engines.map(() => 0);
  const env = {
    model,
    lib,
    engines,
    workers,
    interTokenMs,
    /** To the least loaded of those that the policy allows. */
    dispatch(request, atMs, allowed = engines.map((_, worker) => worker)) {
      const worker = allowed.reduce((best, other) => (load[other] < load[best] ? other : best));
      request.worker = worker;
      load[worker] += request.promptTokens + request.outputTokens;
      engines[worker].send(request, atMs);
    },
    reject(request) {
      request.outcome = 'rejected';
    },
  };
  const gate = policy(env);
  let nextArrival = 0;
  let nextPatience = 0;
  let tickMs = 0;
  while (nowMs < durationMs) {
    let step = null;
    for (const engine of engines) if (step === null || engine.endsMs < step.endsMs) step = engine;
    const arrivalMs = all[nextArrival]?.atMs ?? Number.POSITIVE_INFINITY;
    nowMs = Math.min(step.endsMs, arrivalMs, tickMs);
    if (step.endsMs === nowMs) step.finish();
    else if (arrivalMs === nowMs) gate.arrive(all[nextArrival++], nowMs);
    else {
      tickMs += TICK_MS;
      for (; nextPatience < nextArrival && all[nextPatience].atMs + PATIENCE_MS <= nowMs; nextPatience += 1) {
        const request = all[nextPatience];
        if (request.outcome !== null || request.done > 0) continue;
        request.isGone = true;
        request.outcome = 'left';
        if (request.worker !== undefined) load[request.worker] -= request.promptTokens + request.outputTokens;
        gate.left?.(request, nowMs);
      }
      gate.tick?.(nowMs);
    }
  }
  return all;
}
