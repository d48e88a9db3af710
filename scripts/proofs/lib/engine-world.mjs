// A server and its engine in virtual time, around the real policies and the real board: requests, long prompts, slow
// clients, GC pauses, debugger pauses, a suspended machine, and faults of the engine. One seed is one exact history.

export const TICK_MS = 100;
const LOOK_EVERY_MS = 500;
const CHECK = { intervalMs: 2000, timeoutMs: 30_000 };

// mulberry32
export function randomOf(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    between: (low, high) => low + next() * (high - low),
    /** Mostly near `low`, sometimes near `high`. */
    tailed: (low, high) => low * (high / low) ** (next() ** 3),
    once: (perMs) => next() < perMs * TICK_MS,
    pick: (list) => list[Math.floor(next() * list.length)],
  };
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/**
 * @param modules the built engine/board.js, engine/policy.js, engine/policy-budgets.js and canary/policy.js
 * @param random  of randomOf()
 */
export function createWorld(modules, policy, random) {
  const { board: boards, engine: policies, budgets, canary: canaries } = modules;
  let nowMs = 0;
  const buffer = boards.createBoard();
  const writer = boards.createBoardWriter(buffer, () => nowMs);
  const reader = boards.createBoardReader(buffer);
  let judged = policies.initialEngineState(policy);
  let canary = canaries.initialCanary(
    { waitMs: 10_000, timeoutMs: 3000, failures: 1, of: 1, jitterPercent: 10, adaptive: false },
    0,
  );
  const world = {
    fault: null,
    profile: null,
    blockedMs: 0,
    gave: { tokens: 0, prompts: 0, pauses: 0, slow: 0 },
  };
  let requests = [];
  let test = null;
  let busySinceMs = 0;
  let busyUntilMs = 0;
  let frozenUntilMs = 0;
  let loadedAtMs = 0;
  let lookAtMs = 0;
  let watchId = 1;
  let beats = 0;
  let unread = 0;
  let beatAtMs = 0;
  let check = { state: 'ok', leftMs: CHECK.intervalMs, isRunning: false };
  let trafficUntilMs = 0;
  let quietUntilMs = 0;

  function newProfile() {
    const gapMs = random.tailed(20, 2500);
    world.profile = {
      gapMs,
      // Of one prompt; a long one blocks the engine's own loop in some engines.
      prefillMs: () => random.tailed(150, 110_000),
      blocksLoop: random.next() < 0.2,
      isDirect: random.next() < 0.5,
      beatMs: random.between(200, 1000),
      arrivalsPerMs: random.tailed(1 / (10 * MINUTE), 1 / 2000),
      untilMs: nowMs + random.between(1, 8) * HOUR,
    };
  }

  /** The orchestrator, or the process itself, starts everything anew. */
  function restart() {
    for (const { work } of requests) work.end(false);
    requests = [];
    test = null;
    watchId += 1;
    beats = 0;
    unread = 0;
    check = { state: 'ok', leftMs: CHECK.intervalMs, isRunning: false };
    world.fault = null;
    loadedAtMs = nowMs + random.tailed(5000, 20 * MINUTE);
    judged = policies.initialEngineState(policy);
    canary = canaries.initialCanary(canary.policy, loadedAtMs);
  }

  const hangs = (...kinds) => world.fault !== null && kinds.includes(world.fault.kind);
  const isLoading = () => nowMs < loadedAtMs || hangs('load');
  /** Whether the engine computes at all. */
  const computes = () => !isLoading() && !hangs('exit', 'stop', 'spin', 'pipe', 'compute', 'idle');

  function engineTick() {
    const prefilling = computes() && requests.some(({ phase }) => phase === 'prefill');
    // Without heartbeats while it computes a prompt on its own loop.
    const isDeaf = hangs('exit', 'stop', 'spin', 'pipe') || (prefilling && world.profile.blocksLoop);
    if (!isDeaf && nowMs >= beatAtMs && nowMs >= loadedAtMs) {
      unread += 1;
      beatAtMs = nowMs + world.profile.beatMs;
    }
    if (!computes()) return;
    let isHeldUp = false;
    for (const request of requests) {
      if (request.phase === 'prefill' && !isHeldUp) {
        request.leftMs -= TICK_MS;
        // One prompt at a time, and it holds up the tokens of all others.
        isHeldUp = true;
        if (request.leftMs <= 0) request.ready = true;
      }
    }
    for (const request of requests) {
      if (request.phase !== 'decode' || request.waitsUntilMs > nowMs || (isHeldUp && random.next() < 0.9))
        continue;
      request.leftMs -= TICK_MS;
      if (request.leftMs <= 0) request.ready = true;
    }
    if (test !== null && !isHeldUp) {
      test.engineMs -= TICK_MS;
      if (test.engineMs <= 0) test.isDone = true;
    }
  }

  /** What the main thread does once it turns. */
  function mainTick() {
    if (unread > 0) beats += unread;
    unread = 0;
    for (const request of requests) {
      if (request.waits && request.waitsUntilMs <= nowMs) {
        request.waits = false;
        request.work.resumes();
      }
      if (!request.ready) continue;
      request.ready = false;
      request.work.progress();
      if (request.phase === 'prefill') {
        world.gave.prompts += 1;
        request.phase = 'decode';
        request.work.answered();
      }
      world.gave.tokens += 1;
      canaryStep({ type: 'traffic', atMs: nowMs, random: random.next() });
      request.tokens -= 1;
      // Now and then the engine has something else to do: it moves blocks, compiles, loads an adapter.
      const usual = world.profile.gapMs * random.between(0.5, 1.5);
      request.leftMs = random.next() < 0.0005 ? Math.max(usual, random.between(1000, 9000)) : usual;
      if (random.next() < 0.002) {
        world.gave.slow += 1;
        request.waits = true;
        request.waitsUntilMs = nowMs + random.tailed(500, 10 * MINUTE);
        request.work.waits();
      }
    }
    requests = requests.filter((request) => {
      const isCancelled = request.patienceMs < nowMs;
      if (request.tokens > 0 && !isCancelled) return true;
      request.work.end(!isCancelled);
      return false;
    });
    arrive();
    checkTick();
    if (isLoading()) return;
    if (test !== null) {
      test.leftMs -= TICK_MS;
      if (test.isDone || test.leftMs <= 0) {
        const end = test.isDone ? 'ok' : 'timeout';
        const progressed = writer.progressTotal() !== test.progress || writer.running() > 0;
        const { id } = test;
        // As the adapter does: an engine that answers a test works.
        if (test.isDone) writer.progress(1);
        test = null;
        canaryStep({
          type: 'ended',
          atMs: nowMs,
          id,
          end,
          durationMs: 0,
          progressed,
          detail: null,
          random: random.next(),
        });
      }
    }
    canaryStep({ type: 'time', atMs: nowMs, busy: writer.running() });
  }

  function canaryStep(event) {
    const { state, effects } = canaries.stepCanary(canary, event);
    canary = state;
    for (const effect of effects)
      if (effect.type === 'send')
        test = {
          id: effect.id,
          leftMs: effect.timeoutMs,
          engineMs: 100 + Math.min(1500, world.profile.gapMs),
          progress: writer.progressTotal(),
          isDone: false,
        };
  }

  function arrive() {
    if (nowMs > trafficUntilMs && nowMs > quietUntilMs) {
      // Bursts and quiet times, as nights.
      trafficUntilMs = nowMs + random.tailed(MINUTE, 3 * HOUR);
      quietUntilMs = trafficUntilMs + random.tailed(MINUTE, 2 * HOUR);
    }
    // A process that is not ready gets no new requests, but for a few stragglers.
    const isReady = judged.finding === null && canary.report.status === 'ok' && !isLoading();
    const rate = world.profile.arrivalsPerMs * (nowMs < trafficUntilMs ? 1 : 0.001) * (isReady ? 1 : 0.02);
    if (isLoading() || requests.length >= 8 || !random.once(rate)) return;
    requests.push({
      work: writer.begin(),
      phase: 'prefill',
      leftMs: world.profile.prefillMs(),
      tokens: Math.ceil(random.tailed(5, 800)),
      ready: false,
      waits: false,
      waitsUntilMs: 0,
      patienceMs: random.next() < 0.1 ? nowMs + random.between(2000, 90_000) : Number.POSITIVE_INFINITY,
    });
  }

  function checkTick() {
    if (isLoading()) return;
    check.leftMs -= TICK_MS;
    if (check.isRunning && !hangs('check'))
      check = { state: 'ok', leftMs: CHECK.intervalMs, isRunning: false };
    else if (check.isRunning && check.leftMs <= 0) check = { ...check, state: 'timeout', leftMs: Infinity };
    else if (!check.isRunning && check.leftMs <= 0)
      check = { ...check, leftMs: CHECK.timeoutMs, isRunning: true };
  }

  function look() {
    lookAtMs = nowMs + LOOK_EVERY_MS;
    const { kind } = world.fault ?? {};
    judged = policies.stepEngine(judged, {
      atMs: nowMs,
      mainBusyMs: nowMs < busyUntilMs ? nowMs - busySinceMs : 0,
      isLoading: isLoading(),
      running: reader.running(),
      prefilling: reader.prefilling(),
      progress: reader.progress(),
      givenUp: reader.givenUp(),
      rhythm: reader.rhythm(),
      watches: [
        {
          id: watchId,
          dead: kind === 'pipe' ? 'pipe_closed' : null,
          process: kind === 'exit' ? 'gone' : kind === 'stop' ? 'stopped' : 'running',
          beats: { count: world.profile.isDirect ? beats + unread : beats, isDirect: world.profile.isDirect },
          check: check.state,
        },
      ],
    });
  }

  function disturb() {
    if (nowMs < busyUntilMs || nowMs < frozenUntilMs) return;
    // GC every few minutes, once a day a pause of a debugger, which stays below liveStallMs.
    const isGc = random.once(1 / (3 * MINUTE));
    const isDebugger = random.once(1 / (24 * HOUR));
    if (isGc || isDebugger) {
      world.gave.pauses += 1;
      busySinceMs = nowMs;
      busyUntilMs = nowMs + (isDebugger ? random.between(5000, 55_000) : random.tailed(100, 20_000));
    }
    if (random.once(1 / (12 * HOUR))) frozenUntilMs = nowMs + random.tailed(1000, 40 * MINUTE);
  }

  newProfile();
  restart();

  return Object.assign(world, {
    now: () => nowMs,
    finding: () => judged.finding,
    canaryStatus: () => canary.report.status,
    isServing: () => !isLoading(),
    inFlight: () => reader.running(),
    prefilling: () => reader.prefilling(),
    decodeBudgetMs: () => budgets.decodeBudgetMs(policy, reader.rhythm()),
    isBlocked: () => nowMs < busyUntilMs || nowMs < frozenUntilMs,
    restart,
    /** The fault is over without a restart, as after SIGCONT. */
    heal() {
      world.fault = null;
    },
    tick() {
      nowMs += TICK_MS;
      if (nowMs >= world.profile.untilMs) newProfile();
      disturb();
      if (nowMs < frozenUntilMs) {
        world.blockedMs += TICK_MS;
        return;
      }
      engineTick();
      // The probe thread may look just before the main thread has read what came while it was blocked.
      const looksFirst = nowMs >= lookAtMs && random.next() < 0.5;
      if (looksFirst) look();
      if (nowMs >= busyUntilMs) mainTick();
      else world.blockedMs += TICK_MS;
      if (nowMs >= lookAtMs) look();
    },
  });
}
