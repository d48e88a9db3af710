// A worker with continuous batching as a model of its service time: a step prefills up to `batchTokens` tokens of prompts and
// gives each other sequence one token. It has its own queue, first come first served, as engines do.

/**
 * @param {object} model service-model.json
 * @param {object} on what happens to requests: token, ended
 */
export function createEngine(model, on) {
  const waiting = [];
  let running = [];
  let head = 0;
  let kvUsed = 0;
  let endsMs = Number.POSITIVE_INFINITY;
  let plan = null;

  const queued = () => waiting.length - head;

  function take() {
    while (head < waiting.length && running.length < model.maxSequences) {
      const request = waiting[head];
      const size = request.promptTokens + request.outputTokens;
      if (!request.isGone && kvUsed + size > model.kvTokens) break;
      head += 1;
      if (request.isGone) continue;
      kvUsed += size;
      running.push(request);
      request.prefillLeft = request.promptTokens;
    }
    if (head > 1024) {
      waiting.splice(0, head);
      head = 0;
    }
  }

  /** Plans the next step and says when it ends. */
  function begin(nowMs) {
    take();
    if (running.length === 0) {
      endsMs = Number.POSITIVE_INFINITY;
      return;
    }
    let budget = model.batchTokens;
    let decoding = 0;
    plan = [];
    for (const request of running) {
      if (request.prefillLeft === 0) decoding += 1;
      const chunk = Math.min(budget, request.prefillLeft);
      budget -= chunk;
      plan.push(chunk);
    }
    const prefill = model.batchTokens - budget;
    const tookMs =
      model.stepBaseMs + model.stepPerSequenceMs * decoding + (prefill / model.prefillTokensPerSecond) * 1000;
    endsMs = nowMs + tookMs;
  }

  function finish() {
    const nowMs = endsMs;
    const kept = [];
    const ended = [];
    running.forEach((request, index) => {
      if (request.prefillLeft > 0) request.prefillLeft -= plan[index];
      else if (!request.isGone) {
        request.done += 1;
        on.token(request, nowMs);
      }
      // The step that ends a prefill gives the first token.
      if (request.prefillLeft === 0 && request.done === 0 && !request.isGone) {
        request.done = 1;
        on.token(request, nowMs);
      }
      if (request.isGone || request.done >= request.outputTokens) ended.push(request);
      else kept.push(request);
    });
    running = kept;
    for (const request of ended) kvUsed -= request.promptTokens + request.outputTokens;
    // The step is over before anybody is told, since whoever is told may send.
    endsMs = Number.POSITIVE_INFINITY;
    for (const request of ended) if (!request.isGone) on.ended(request, nowMs);
    if (endsMs === Number.POSITIVE_INFINITY) begin(nowMs);
  }

  return {
    get endsMs() {
      return endsMs;
    },
    send(request, nowMs) {
      waiting.push(request);
      if (endsMs === Number.POSITIVE_INFINITY) begin(nowMs);
    },
    finish,
    /** What a worker reports. */
    report() {
      let prefillTokens = 0;
      for (let at = head; at < waiting.length; at += 1)
        if (!waiting[at].isGone) prefillTokens += waiting[at].promptTokens;
      for (const request of running) prefillTokens += request.prefillLeft;
      return { kvRatio: kvUsed / model.kvTokens, prefillTokens, queued: queued(), running: running.length };
    },
  };
}
