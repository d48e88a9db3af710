// Admission policies of ours, around the real machines of lib/fleet/admission.

/** @param options of createPoolAdmission @param extra.thresholds of createBusyWorkers */
export function ours(optionsOf, { thresholds = null } = {}) {
  return (env) => {
    const { engines, lib } = env;
    const admission = lib.createPoolAdmission(optionsOf(env));
    const busy = lib.createBusyWorkers(thresholds?.(env) ?? {});
    const byId = new Map();
    const running = new Set();
    // As a frontend does: from when requests were sent and tokens came, whatever the engines know.
    const rate = lib.createServiceRate();
    const served = new Map();
    let room = { hasRoom: true, ...rate.speed(0) };
    const names = engines.map((_, worker) => String(worker));

    function look(nowMs) {
      engines.forEach((engine, worker) => {
        busy.report(names[worker], {
          ...engine.report(),
          maxBatchedTokens: env.model.batchTokens,
          kvTokens: env.model.kvTokens,
        });
      });
      room = { hasRoom: busy.hasRoom, roomTokens: busy.roomTokens, ...rate.speed(nowMs) };
    }

    function leave(request, nowMs) {
      served.get(request.id)?.end(nowMs);
      served.delete(request.id);
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
          served.set(request.id, rate.send(names[request.worker], request.promptTokens, nowMs));
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
      token(request, nowMs) {
        const waitMs = served.get(request.id)?.tokens(nowMs, 1) ?? null;
        if (waitMs !== null) admission.scheduled(request.id, waitMs);
        admission.progress(request.id, 1);
      },
      ended(request, nowMs) {
        leave(request, nowMs);
        running.delete(request.id);
        perform(admission.release(request.id, nowMs, room), nowMs);
      },
      left(request, nowMs) {
        leave(request, nowMs);
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
