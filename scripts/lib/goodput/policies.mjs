// Admission policies of ours, around the real machines of lib/fleet/admission.

/** @param options of createPoolAdmission @param extra.thresholds of createBusyWorkers */
export function ours(optionsOf, { thresholds = null } = {}) {
  return (env) => {
    const { engines, lib } = env;
    const admission = lib.createPoolAdmission(optionsOf(env));
    const busy = lib.createBusyWorkers(thresholds?.(env) ?? {});
    const byId = new Map();
    const running = new Set();
    let served = 0;
    let servedTokens = 0;
    let lastMs = 0;
    let room = { hasRoom: true, tokensPerSecond: 0, prefill: { tokensPerSecond: 0, baseMs: 0 } };
    const names = engines.map((_, worker) => String(worker));

    function look(nowMs) {
      engines.forEach((engine, worker) => {
        busy.report(names[worker], {
          ...engine.report(),
          maxBatchedTokens: env.model.batchTokens,
          kvTokens: env.model.kvTokens,
        });
      });
      // A tenth of the new value each 50 ms: half a second.
      if (nowMs > lastMs) served += 0.02 * ((servedTokens / (nowMs - lastMs)) * 1000 - served);
      lastMs = nowMs;
      servedTokens = 0;
      let prefill = 0;
      let baseMs = 0;
      const steps = [];
      for (const { rate } of engines) {
        if (rate.prefillMs > 0) prefill += (rate.prefillTokens / rate.prefillMs) * 1000;
        if (!Number.isNaN(rate.stepMs)) steps.push(rate.stepMs);
      }
      steps.sort((a, b) => a - b);
      baseMs = steps.at(-1) ?? 0;
      room = {
        hasRoom: busy.hasRoom,
        roomTokens: busy.roomTokens,
        tokensPerSecond: served,
        prefill: { tokensPerSecond: prefill, baseMs },
        interTokenMs: steps[Math.floor(steps.length / 2)] ?? Number.NaN,
      };
    }

    function perform(effects, nowMs) {
      for (const effect of effects) {
        const request = byId.get(effect.id);
        byId.delete(effect.id);
        if (effect.type === 'reject') env.reject(request);
        else {
          running.add(request.id);
          const free = names.flatMap((name, worker) => (busy.isBusy(name) ? [] : [worker]));
          env.dispatch(request, nowMs, free.length > 0 ? free : undefined);
          busy.sent(names[request.worker], request.promptTokens + request.outputTokens);
        }
      }
    }

    return {
      admission,
      arrive(request, nowMs) {
        byId.set(request.id, request);
        const { id, tenant, promptTokens, outputTokens, deadlineMs, random } = request;
        const sizes = {
          promptTokens,
          cachedTokens: 0,
          expectedTokens: outputTokens,
          bytes: 4 * promptTokens,
        };
        const arrival = { atMs: nowMs, id, tenant, priority: 'default', ...sizes, deadlineMs, random };
        if (thresholds !== null) look(nowMs);
        perform(admission.arrive(arrival, room), nowMs);
      },
      started: (request, waitMs) => admission.scheduled(request.id, waitMs),
      token: (request) => admission.progress(request.id, 1),
      ended(request, nowMs) {
        servedTokens += request.promptTokens + request.outputTokens;
        running.delete(request.id);
        perform(admission.release(request.id, nowMs, room), nowMs);
      },
      left(request, nowMs) {
        const effects = running.delete(request.id)
          ? admission.release(request.id, nowMs, room)
          : admission.abandon(request.id, nowMs, room);
        byId.delete(request.id);
        perform(effects, nowMs);
      },
      tick(nowMs) {
        look(nowMs);
        perform(admission.tick(nowMs, room), nowMs);
      },
    };
  };
}

const slots = ({ workers, model }) => workers * model.maxSequences;

export const OURS = {
  off: (env) => ({ arrive: (request, nowMs) => env.dispatch(request, nowMs) }),
  'bounded queue': ours((env) => ({ maxConcurrent: slots(env) })),
  thresholds: ours(() => ({}), {
    thresholds: ({ model }) => ({
      activeDecodeBlocks: 0.9,
      activePrefillTokens: Math.round(model.prefillTokensPerSecond / 2),
    }),
  }),
  'adaptive, CoDel, feasibility': ours(() => ({ adaptive: {}, codel: {}, feasibility: true })),
};
