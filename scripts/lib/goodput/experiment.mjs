// Goodput: output tokens a second of those requests whose first token came within 2 s and whose further ones came in time.
import { readFileSync } from 'node:fs';
import { createRandom } from '../random.mjs';
import { OURS } from './policies.mjs';
import { RIVALS } from './rivals.mjs';
import { arrivals, capacity, fullStepMs, runWorld } from './world.mjs';

export const POLICIES = { ...OURS, ...RIVALS };
export const FULL = 'adaptive, CoDel, feasibility';
export const MODELS = JSON.parse(readFileSync(new URL('service-model.json', import.meta.url), 'utf8'));
const SECOND_MS = 1000;
const WORKERS = 4;
/** Requests that arrive at the end cannot end. */
const TAIL_MS = 8000;

/** Twice what a token takes in a full batch, with its share of prefill. */
const interTokenOf = (model) => 2 * fullStepMs(model);

export function createExperiment({ model, lib, seed = 1 }) {
  const interTokenMs = interTokenOf(model);
  const perSecond = capacity(model, WORKERS);
  const run = (name, requests, durationMs) =>
    runWorld({ model, workers: WORKERS, requests, policy: POLICIES[name], interTokenMs, durationMs, lib });

  const goodTokens = (all, fromMs, toMs) =>
    all.reduce(
      (sum, { atMs, outcome, outputTokens }) =>
        sum + (outcome === 'good' && atMs >= fromMs && atMs < toMs ? outputTokens : 0),
      0,
    );

  return {
    perSecond,
    interTokenMs,
    /** Of the last `lastMs` before the tail. */
    steady(name, load, { durationMs = 60_000, warmMs = 15_000 } = {}) {
      const rate = load * perSecond;
      const all = run(
        name,
        arrivals(seed, durationMs, () => rate, rate),
        durationMs + TAIL_MS,
      );
      return goodTokens(all, warmMs, durationMs) / ((durationMs - warmMs) / SECOND_MS);
    },
    /**
     * 0.9 of the capacity, for 30 s three times the capacity, 0.9 again. @returns seconds after the burst from which on
     * each window of 5 s has 95 % of the goodput that the same arrivals have without a burst; null: not within 60 s
     */
    recovery(name) {
      const [burstMs, endMs, durationMs] = [20_000, 50_000, 110_000];
      const base = 0.9 * perSecond;
      const calm = arrivals(seed, durationMs, () => base, base);
      const extra = arrivals(seed + 1, endMs, (ms) => (ms < burstMs ? 0 : 2.1 * perSecond), 2.1 * perSecond);
      const disturbed = [...calm, ...extra].sort((a, b) => a.atMs - b.atMs);
      const undisturbed = run(name, calm, durationMs + TAIL_MS);
      const all = run(name, disturbed, durationMs + TAIL_MS);
      let since = 0;
      for (let atMs = endMs; atMs + 5000 <= durationMs; atMs += SECOND_MS) {
        const share = goodTokens(all, atMs, atMs + 5000) / goodTokens(undisturbed, atMs, atMs + 5000);
        if (share < 0.95) since = (atMs - endMs) / SECOND_MS + 1;
      }
      return since > 50 ? null : since;
    },
  };
}

/** Every worker refuses every attempt; a request has up to 4. @returns attempts ÷ requests */
export function outage({ createRetryBudget, rate, options = {}, seed = 1, seconds = 60 }) {
  const budget = createRetryBudget(options);
  const random = createRandom(seed);
  let requests = 0;
  let attempts = 0;
  for (let atMs = 0; atMs < seconds * SECOND_MS; atMs += (-Math.log(1 - random()) / rate) * SECOND_MS) {
    requests += 1;
    attempts += 1;
    budget.deposit(atMs);
    for (let retry = 0; retry < 3 && budget.tryWithdraw(atMs); retry += 1) attempts += 1;
  }
  return attempts / requests;
}
