// Admission policies of others, re-implemented from their documents and sources: the policies, not their programs. Workers
// report every 50 ms (llm-d's default).

/** Between two reports: llm-d's cycle is 1 ms. */
const DISPATCHES = 50;

/** A queue in order of arrival in front of `canSend`. */
function queueing(env, { canSend, maxQueue, timeoutMs, refreshMs }) {
  const queue = [];
  let reports = env.engines.map((engine) => engine.report());
  let sinceMs = 0;
  let running = 0;
  let sent = 0;
  function fill(nowMs) {
    while (queue.length > 0) {
      const request = queue[0];
      if (request.isGone) queue.shift();
      else if (nowMs - request.atMs > timeoutMs) {
        queue.shift();
        env.reject(request);
      } else if (sent < DISPATCHES && canSend(reports, running)) {
        queue.shift();
        sent += 1;
        running += 1;
        request.isRunning = true;
        env.dispatch(request, nowMs);
      } else return;
    }
  }
  const end = (request, nowMs) => {
    if (request.isRunning) running -= 1;
    fill(nowMs);
  };
  return {
    arrive(request, nowMs) {
      queue.push(request);
      fill(nowMs);
      if (queue.length > maxQueue) env.reject(queue.pop());
    },
    ended: end,
    left: end,
    tick(nowMs) {
      if (nowMs - sinceMs >= refreshMs) {
        sinceMs = nowMs;
        sent = 0;
        reports = env.engines.map((engine) => engine.report());
      }
      fill(nowMs);
    },
  };
}

export const RIVALS = {
  /** Refuses at once while every worker is above a threshold; nothing waits in front. */
  'Dynamo, static thresholds': (env) => {
    let reports = env.engines.map((engine) => engine.report());
    const prefillLimit = env.model.prefillTokensPerSecond / 2;
    return {
      arrive(request, nowMs) {
        const free = reports.flatMap(({ kvRatio, prefillTokens }, worker) =>
          kvRatio > 0.9 || prefillTokens > prefillLimit ? [] : [worker],
        );
        if (free.length === 0) env.reject(request);
        else env.dispatch(request, nowMs, free);
      },
      tick() {
        reports = env.engines.map((engine) => engine.report());
      },
    };
  },
  /** Saturated at a mean of max(queue ÷ 5, KV ÷ 0.8) of 1; those that wait have no time-out by default. */
  'GIE, saturation': (env) =>
    queueing(env, {
      canSend: (reports) =>
        reports.reduce((sum, { queued, kvRatio }) => sum + Math.max(queued / 5, kvRatio / 0.8), 0) <
        reports.length,
      maxQueue: 5000,
      timeoutMs: Number.POSITIVE_INFINITY,
      refreshMs: 50,
    }),
  /** As many requests as there are places, 512 that wait for up to 60 s. */
  'SMG, class queue': (env) =>
    queueing(env, {
      canSend: (_, running) => running < env.workers * env.model.maxSequences,
      maxQueue: 512,
      timeoutMs: 60_000,
      refreshMs: 50,
    }),
};
