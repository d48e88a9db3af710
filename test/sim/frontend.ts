/**
 * A frontend process: the machines of lib/fleet, and an adapter that carries out their effects as the product does. The checks
 * sit here, beside the machines, and look only at what goes in and what comes out of them.
 */
import type { Candidate, Generation } from '../../lib/fleet/ejector.js';
import type { CacheEffect, CacheEvent } from '../../lib/fleet/instance-cache.js';
import type { Permit, WorkerLoad } from '../../lib/fleet/load-view.js';
import type { LogicalRequest, RequestOutput } from '../../lib/fleet/logical-request.js';
import { outcomeClass } from '../../lib/fleet/migratable.js';
import type { MigrationEffect } from '../../lib/fleet/migrator-types.js';
import { createQuarantine } from '../../lib/fleet/quarantine.js';
import type { Outcome, WorkerRef } from '../../lib/fleet/types.js';
import type { WorkerCondition, WorkerHealth } from '../../lib/fleet/worker-health.js';
import { createClient, type SimClient } from './client.js';
import type { Actor, Clock } from './kernel.js';
import type { RequestSpec } from './scenario.js';
import { count } from './stats.js';
import { END_TOKEN } from './toy-engine.js';
import type { BeaconMessage, Connection } from './worker.js';
import { LEASE_TTL_MS, RELIST_MS, type World } from './world.js';

export interface Frontend {
  readonly actor: Actor;
  start(): void;
  request(spec: RequestSpec): void;
  beacon(message: BeaconMessage): void;
  /** After every event. */
  check(): void;
  /** What is not well by now; empty: all is. Asked in liveness mode after the faults have stopped. */
  unsettled(): string[];
  readonly openRequests: number;
  /** Whether it would send the next request there although there are others. */
  prefers(ref: WorkerRef): boolean;
  isEjected(ref: WorkerRef): boolean;
}

interface Attempt {
  readonly ref: WorkerRef;
  readonly generation: Generation | null;
  readonly permit: Permit;
  readonly connection: Connection;
  readonly isTrial: boolean;
  readonly sentMs: number;
  /** Ejections of the worker that this frontend had seen when it was sent. */
  readonly seenTurns: number;
}

interface Choice {
  readonly attempts: Map<number, Attempt>;
  readonly failedOn: WorkerRef[];
  length: number;
  appendedBy: number;
  ended: boolean;
}

interface Open {
  readonly spec: RequestSpec;
  readonly logical: LogicalRequest;
  readonly client: SimClient;
  readonly choices: Choice[];
  timerMs: number;
  isOver: boolean;
}

interface Seen {
  readonly ref: WorkerRef;
  readonly health: WorkerHealth;
  condition: WorkerCondition;
  trials: number;
  /** Times its ejection began or ended. */
  turns: number;
  isOut: boolean;
  /** When requests failed there. */
  strikes: number[];
}

interface Cause {
  readonly type: 'outcome' | 'strike' | 'poison' | 'removed' | 'nothing';
  readonly worker: string;
  readonly outcome?: Outcome;
}

const NOTHING_TOLD: Cause = { type: 'nothing', worker: '' };
/** Failures further apart do not belong together. */
const STRIKE_MEMORY_MS = 300_000;
const HEALTH_POLL_MS = 100;
const SIM_PATIENCE = { firstMs: 3000, nextMs: 1000 };

export function createFrontend(world: World, clock: Clock, index: number): Frontend {
  const { kernel, random, checks, machines, stats, scenario } = world;
  const actor = kernel.spawn(`f${index}`, clock);
  const store = world.store.client(actor);
  const ejector = machines.createEjector();
  const loadView = machines.createLoadView();
  const budget = machines.createRetryBudget();
  const hedgeBudget = machines.createRetryBudget({ ratio: 0.02, minPerSecond: scenario.hedgePerSecond });
  const quarantine = createQuarantine();
  const seen = new Map<string, Seen>();
  const open = new Set<Open>();
  const removed = new Set<string>();
  let outstanding = 0;
  let requests = 0;
  let paid = 0;
  let startedMs = 0;
  let isEjectorTouched = false;
  let lastRevision = 0;
  let lastStore = '';
  const keyOf = ({ worker, incarnation }: WorkerRef): string => `${worker}#${incarnation}`;

  const cache = machines.createInstanceCache({
    isHealthy: (ref) => {
      const at = seen.get(keyOf(ref));
      return at !== undefined && at.condition === 'alive' && !at.isOut;
    },
    ttlMs: LEASE_TTL_MS,
    relistMs: RELIST_MS,
  });
  /** Those that take requests, as the cache has them. */
  let serving = new Map<string, WorkerRef>();
  let cacheTimerMs = Number.POSITIVE_INFINITY;

  // --- discovery ---

  function cacheStep(event: CacheEvent): void {
    const wasSynced = cache.isSynced;
    const before = serving;
    const effects = cache.step(event);
    checkCache(event, effects, wasSynced, before);
    serving = new Map();
    for (const { ref, state } of cache.instances()) if (state === 'serving') serving.set(keyOf(ref), ref);
    for (const effect of effects) cacheEffect(effect);
    const atMs = cache.nextTimerMs();
    if (atMs < cacheTimerMs) {
      cacheTimerMs = atMs;
      actor.after(Math.max(0, atMs - actor.now()) + 0.01, () => {
        if (cacheTimerMs !== atMs) return;
        cacheTimerMs = Number.POSITIVE_INFINITY;
        cacheStep({ type: 'tick', ...stamp() });
      });
    }
  }

  const stamp = (): { atMs: number; random: number } => ({ atMs: actor.now(), random: random.next() });

  function checkCache(
    event: CacheEvent,
    effects: readonly CacheEffect[],
    wasSynced: boolean,
    before: ReadonlyMap<string, WorkerRef>,
  ): void {
    if (event.type === 'listed' && event.store !== lastStore && cache.isSynced) {
      lastStore = event.store;
      lastRevision = 0;
    }
    checks.check(
      16,
      cache.revision >= lastRevision,
      () => `revision ${cache.revision} after ${lastRevision}`,
    );
    lastRevision = cache.revision;
    for (const effect of effects) {
      if (effect.type === 'removed') {
        const isHeard = event.type === 'listed' || (event.type === 'watched' && wasSynced);
        checks.check(
          16,
          isHeard,
          () => `${keyOf(effect.instance.ref)} removed by ${event.type} while unsynced`,
        );
        const after = effects.some(
          (other) => other.type === 'added' && other.instance.ref.worker === effect.instance.ref.worker,
        );
        if (after) removed.add(keyOf(effect.instance.ref));
      }
      if (effect.type === 'added')
        checks.check(
          16,
          !removed.has(keyOf(effect.instance.ref)) || before.has(keyOf(effect.instance.ref)),
          () => `${keyOf(effect.instance.ref)} came back`,
        );
    }
  }

  function cacheEffect(effect: CacheEffect): void {
    switch (effect.type) {
      case 'list':
        store.list((answer) =>
          cacheStep(
            answer === 'failed'
              ? { type: 'list_failed', ...stamp() }
              : { type: 'listed', ...answer, ...stamp() },
          ),
        );
        return;
      case 'watch':
        store.watch(
          effect.fromRevision,
          (change) => cacheStep({ type: 'watched', ...change, ...stamp() }),
          () => cacheStep({ type: 'watch_lost', ...stamp() }),
        );
        return;
      case 'added': {
        const { ref } = effect.instance;
        ejector.add(ref, actor.now());
        see(ref);
        replaced(ref);
        if (effect.instance.state === 'draining') leaving(ref);
        return;
      }
      case 'changed':
        if (effect.instance.state === 'draining') leaving(effect.instance.ref);
        return;
      case 'removed':
        ejector.remove(effect.instance.ref, actor.now());
        loadView.forget(effect.instance.ref);
        seen.delete(keyOf(effect.instance.ref));
        watchEjections({ type: 'removed', worker: effect.instance.ref.worker });
        return;
      case 'mass_removal':
        return;
    }
  }

  /** Another life of the same worker: what ran in the old one is gone, whether a reset has arrived or not. */
  function replaced({ worker, incarnation }: WorkerRef): void {
    for (const request of open)
      for (const [choice, { attempts }] of request.choices.entries())
        for (const [epoch, { ref }] of [...attempts])
          if (ref.worker === worker && ref.incarnation !== incarnation)
            handle(
              request,
              request.logical.step(choice, { type: 'failed', epoch, outcome: 'reset', ...stamp() }),
            );
  }

  function leaving(ref: WorkerRef): void {
    for (const request of open)
      handle(request, request.logical.stepAll({ type: 'leaving', atMs: actor.now(), ref }));
  }

  // --- health ---

  function see(ref: WorkerRef): Seen {
    const known = seen.get(keyOf(ref));
    if (known !== undefined) return known;
    const health = machines.createWorkerHealth(actor.now());
    const made: Seen = { ref, health, condition: 'alive', trials: 0, turns: 0, isOut: false, strikes: [] };
    seen.set(keyOf(ref), made);
    return made;
  }

  function poll(): void {
    const atMs = actor.now();
    if (machines.hasBeacons) judge(atMs);
    watchEjections();
    actor.after(HEALTH_POLL_MS, poll);
  }

  function judge(atMs: number): void {
    for (const each of seen.values()) {
      const condition = each.health.condition(atMs);
      if (condition === each.condition) continue;
      each.condition = condition;
      if (condition === 'suspect')
        for (const request of open)
          handle(request, request.logical.stepAll({ type: 'suspect', atMs, ref: each.ref }));
      if (condition === 'frozen' || condition === 'hung') lose(each.ref, atMs);
    }
  }

  function lose(ref: WorkerRef, atMs: number): void {
    ejector.strike(ref, atMs, random.next());
    watchEjections({ type: 'strike', worker: ref.worker });
    for (const request of open)
      for (const [choice, { attempts }] of request.choices.entries())
        for (const [epoch, attempt] of [...attempts])
          if (keyOf(attempt.ref) === keyOf(ref))
            handle(
              request,
              request.logical.step(choice, {
                type: 'failed',
                atMs,
                epoch,
                outcome: 'stalled',
                random: random.next(),
              }),
            );
  }

  /**
   * Follows each worker's ejection from outside.
   * @param cause what the ejector has just been told
   */
  function watchEjections(cause: Cause = NOTHING_TOLD): void {
    const atMs = actor.now();
    isEjectorTouched = true;
    for (const each of seen.values()) {
      const isOut = ejector.isEjected(each.ref, atMs);
      if (isOut === each.isOut) continue;
      each.isOut = isOut;
      each.turns += 1;
      checkTurn(each, cause, atMs);
      if (!isOut) continue;
      stats.ejections += 1;
      const worker = world.workers.find(({ name }) => name === each.ref.worker);
      if (worker?.isWell === true && !world.isTouched(worker)) stats.falseEjections += 1;
    }
  }

  /** In by a success of its own or because the pool needs it, out by failures of its own and of late. */
  function checkTurn({ ref, isOut, strikes }: Seen, { type, worker, outcome }: Cause, atMs: number): void {
    const isOwn = worker === ref.worker;
    const isRight = isOut
      ? (type === 'outcome' || type === 'strike') && isOwn
      : (type === 'outcome' && isOwn && outcome === 'success') || type === 'poison' || type === 'removed';
    checks.check(18, isRight, () => `${keyOf(ref)} is ${isOut ? 'out' : 'in'} by ${type} of ${worker}`);
    if (!isOut || type !== 'outcome') return;
    let row = 0;
    for (let next = atMs; row < strikes.length; row += 1) {
      const before = strikes[strikes.length - 1 - row]!;
      if (next - before > STRIKE_MEMORY_MS) break;
      next = before;
    }
    checks.check(18, row >= 3, () => `${keyOf(ref)} is out by ${row} failures that belong together`);
  }

  // --- requests ---

  function request(spec: RequestSpec): void {
    requests += 1;
    stats.requests += 1;
    const atMs = actor.now();
    const hash = `${spec.seed}`;
    const client = createClient(world, spec);
    if (quarantine.has(hash, atMs)) {
      client.receive({
        type: 'error',
        outcome: 'poison',
        why: 'quarantined',
        usage: { promptTokens: spec.promptTokens, completionTokens: 0, replayedTokens: 0, migrations: 0 },
      });
      return;
    }
    budget.deposit(atMs);
    const logical = machines.createLogicalRequest({
      request: {
        promptTokens: spec.promptTokens,
        maxTokens: spec.maxTokens,
        endTokens: [END_TOKEN],
        isReplayable: true,
        deadlineMs: spec.deadlineMs === null ? null : atMs + spec.deadlineMs * clock.rate,
      },
      limits: { migrationLimit: scenario.migrationLimit },
      retryBudget: (now) => {
        if (!budget.tryWithdraw(now)) return false;
        paid += 1;
        stats.paidRetries += 1;
        return true;
      },
      hedgeBudget: (now) => scenario.hedgePerSecond > 0 && hedgeBudget.tryWithdraw(now),
      choices: spec.choices,
      stop: spec.stop,
    });
    const entry: Open = {
      spec,
      logical,
      client,
      choices: Array.from({ length: spec.choices }, () => ({
        attempts: new Map(),
        failedOn: [],
        length: 0,
        appendedBy: -1,
        ended: false,
      })),
      timerMs: Number.POSITIVE_INFINITY,
      isOver: false,
    };
    open.add(entry);
    handle(entry, logical.start(atMs));
    if (spec.leavesAfterMs !== null)
      actor.receive(kernel.nowMs + spec.leavesAfterMs, () => {
        if (entry.isOver) return;
        client.leave();
        handle(entry, logical.stepAll({ type: 'cancel', atMs: actor.now() }));
      });
  }

  function handle(entry: Open, out: RequestOutput): void {
    for (const event of out.client) {
      entry.client.receive(event);
      if (event.type !== 'end' && event.type !== 'error') continue;
      entry.isOver = true;
      if (event.type === 'end') stats.finished += 1;
      else count(stats.failed, event.outcome);
    }
    for (const { choice, effect } of out.effects) perform(entry, choice, effect);
    if (entry.isOver && entry.choices.every(({ attempts }) => attempts.size === 0)) open.delete(entry);
    else if (!entry.isOver) arm(entry);
  }

  /** One timer at a time: frames move the next one into the future far more often than it comes. */
  function arm(entry: Open): void {
    const atMs = entry.logical.nextTimerMs();
    if (atMs >= entry.timerMs || atMs === Number.POSITIVE_INFINITY) return;
    entry.timerMs = atMs;
    actor.after(Math.max(0, atMs - actor.now()) + 0.01, () => {
      if (entry.timerMs !== atMs || entry.isOver) return;
      entry.timerMs = Number.POSITIVE_INFINITY;
      if (entry.logical.nextTimerMs() <= actor.now())
        handle(entry, entry.logical.stepAll({ type: 'tick', ...stamp() }));
      else arm(entry);
    });
  }

  function perform(entry: Open, choice: number, effect: MigrationEffect): void {
    const state = entry.choices[choice]!;
    switch (effect.type) {
      case 'pick':
        handle(entry, entry.logical.step(choice, answerPick(entry, state, effect.excluded)));
        return;
      case 'dispatch':
        dispatch(entry, choice, state, effect);
        return;
      case 'warm':
        warm(entry, choice, effect.ref);
        return;
      case 'kill':
        state.attempts.get(effect.epoch)?.connection.cancel();
        return;
      case 'outcome':
        settle(state, effect.epoch, effect.outcome);
        return;
      case 'migrated':
        stats.migrations += 1;
        return;
      case 'poison':
        stats.poison += 1;
        quarantine.add(`${entry.spec.seed}`, actor.now());
        for (const ref of effect.workers) ejector.forgive(ref);
        watchEjections({ type: 'poison', worker: '' });
        return;
      case 'end':
        return;
    }
  }

  const isServing = (ref: WorkerRef): boolean => serving.has(keyOf(ref));

  function routable(): readonly Candidate[] {
    return ejector.view(actor.now(), isServing).candidates;
  }

  let chosenTrial: string | null = null;

  function answerPick(entry: Open, state: Choice, excluded: readonly WorkerRef[]) {
    const atMs = actor.now();
    const candidates = routable();
    checks.check(
      10,
      candidates.length > 0 || serving.size === 0,
      () => `no candidate of ${serving.size} workers`,
    );
    const workers = candidates.map(({ ref, weight, recentFailures, isTrial }) => ({
      ref,
      weight,
      recentFailures,
      isTrial,
      load: loadView.load(ref, atMs),
      condition: seen.get(keyOf(ref))?.condition ?? ('alive' as const),
      cachedTokens: 0,
    }));
    checkLoads(workers.map(({ load }) => load));
    const chosen = machines.route({ excluded, promptTokens: entry.spec.promptTokens }, workers, [
      random.next(),
      random.next(),
    ]);
    if (chosen === null) return { type: 'no_worker', atMs } as const;
    checks.check(
      21,
      !state.failedOn.some((ref) => keyOf(ref) === keyOf(chosen.ref)),
      () => `${entry.spec.id} again to ${keyOf(chosen.ref)}`,
    );
    chosenTrial = chosen.isTrial ? keyOf(chosen.ref) : null;
    return { type: 'picked', atMs, ref: chosen.ref, patience: SIM_PATIENCE } as const;
  }

  /** Of a worker that does not report, the load is what was sent there, or what others have. */
  function checkLoads(loads: readonly WorkerLoad[]): void {
    const stale = loads.filter(({ isStale }) => isStale);
    if (stale.length === 0) return;
    // Of all workers, since those that are not candidates now count for the comparison too.
    const all = [...seen.values()].map(({ ref }) => loadView.load(ref, actor.now()));
    const fresh = all.filter(({ isStale }) => !isStale).map(({ tokens }) => tokens);
    const least = Math.min(...fresh, Number.MAX_VALUE);
    for (const { tokens, inFlight } of stale) {
      const isIdle = tokens === 0 && (inFlight > 0 || (fresh.length > 1 && least > 0));
      checks.check(
        28,
        tokens < 1e6 && !isIdle,
        () => `a silent worker with ${inFlight} in flight has a load of ${tokens}`,
      );
    }
  }

  function dispatch(
    entry: Open,
    choice: number,
    state: Choice,
    { epoch, ref, startSeq, purpose }: MigrationEffect & { type: 'dispatch' },
  ): void {
    const atMs = actor.now();
    const { spec, logical } = entry;
    stats.dispatches += 1;
    if (purpose === 'hedge') stats.hedges += 1;
    if (purpose === 'planned') stats.planned += 1;
    const at = seen.get(keyOf(ref));
    const isTrial = chosenTrial === keyOf(ref);
    chosenTrial = null;
    const worker = world.workers.find(({ name }) => name === ref.worker)!;
    const generation = ejector.permit(ref, atMs);
    const permit = loadView.send(ref, spec.promptTokens + spec.maxTokens, atMs);
    outstanding += 1;
    const step = (type: 'progress'): void => {
      if (!entry.isOver) handle(entry, logical.step(choice, { type, atMs: actor.now(), epoch }));
    };
    const connection = worker.connect(actor, {
      progress: () => step('progress'),
      warmed: () => {},
      frame: (seq, tokenId, bytes) => frame(entry, choice, epoch, seq, tokenId, bytes),
      finish: (reason, length) => {
        if (!entry.isOver)
          handle(entry, logical.step(choice, { type: 'finish', atMs: actor.now(), epoch, reason, length }));
      },
      failed: (outcome, retryAfterMs = 0) => {
        if (!entry.isOver)
          handle(
            entry,
            logical.step(choice, {
              type: 'failed',
              atMs: actor.now(),
              epoch,
              outcome,
              retryAfterMs,
              random: random.next(),
            }),
          );
      },
    });
    state.attempts.set(epoch, {
      ref,
      generation,
      permit,
      connection,
      isTrial,
      sentMs: kernel.nowMs,
      seenTurns: at?.turns ?? 0,
    });
    if (at !== undefined && isTrial) {
      at.trials += 1;
      checks.check(11, at.trials <= 1, () => `${at.trials} trials of ${keyOf(ref)} at once`);
    }
    const tokens = logical.tokens(choice);
    checks.check(4, startSeq === tokens.length, () => `dispatch at ${startSeq}, log of ${tokens.length}`);
    connection.submit(
      machines.onSubmit({
        request: spec,
        choice,
        incarnation: ref.incarnation,
        generated: tokens.slice(),
        isWarm: false,
      }),
    );
  }

  function warm(entry: Open, choice: number, ref: WorkerRef): void {
    const worker = world.workers.find(({ name }) => name === ref.worker)!;
    const tell = (type: 'warmed' | 'warm_failed'): void => {
      if (!entry.isOver) handle(entry, entry.logical.step(choice, { type, atMs: actor.now(), ref }));
    };
    let isTold = false;
    const once = (type: 'warmed' | 'warm_failed'): void => {
      if (isTold) return;
      isTold = true;
      tell(type);
    };
    const connection = worker.connect(actor, {
      progress: () => {},
      warmed: () => once('warmed'),
      frame: () => {},
      finish: () => {},
      failed: () => once('warm_failed'),
    });
    actor.after(SIM_PATIENCE.firstMs, () => {
      if (!isTold) connection.cancel();
      once('warm_failed');
    });
    connection.submit({
      request: entry.spec,
      choice,
      incarnation: ref.incarnation,
      generated: entry.logical.tokens(choice).slice(),
      isWarm: true,
    });
  }

  function frame(
    entry: Open,
    choice: number,
    epoch: number,
    seq: number,
    tokenId: number,
    bytes: Uint8Array,
  ): void {
    const state = entry.choices[choice]!;
    const attempt = state.attempts.get(epoch);
    if (attempt !== undefined) {
      const at = seen.get(keyOf(attempt.ref));
      at?.health.frame(actor.now());
      attempt.permit.progress(1);
    }
    const atMs = actor.now();
    const out = entry.logical.frame(choice, { atMs, epoch, seq, tokenId, bytes });
    const tokens = entry.logical.tokens(choice);
    if (tokens.length > state.length) {
      checks.passed(3);
      const right = entry.client.answer(choice).tokens;
      if (tokens.length !== state.length + 1 || seq !== state.length)
        checks.check(1, false, () => `${entry.spec.id} grew to ${tokens.length} with ${seq}`);
      if (tokens[seq] !== right[seq])
        checks.check(
          1,
          false,
          () =>
            `${entry.spec.id}/${choice} token ${seq} is ${tokens[seq]}, not ${right[seq]} (epoch ${epoch})`,
        );
      if (epoch < state.appendedBy)
        checks.check(4, false, () => `epoch ${epoch} appends after ${state.appendedBy}`);
      state.appendedBy = epoch;
      state.length = tokens.length;
      stats.tokens += 1;
    }
    if (out.client.length > 0 || out.effects.length > 0) handle(entry, out);
  }

  function settle(state: Choice, epoch: number, outcome: Outcome): void {
    const attempt = state.attempts.get(epoch);
    checks.check(8, attempt !== undefined, () => `a second outcome of epoch ${epoch}`);
    if (attempt === undefined) return;
    state.attempts.delete(epoch);
    const { ref, generation, permit } = attempt;
    const atMs = actor.now();
    permit.release();
    outstanding -= 1;
    if (outcomeClass(outcome).migrate !== 'no') state.failedOn.push(ref);
    const at = seen.get(keyOf(ref));
    if (at !== undefined && attempt.isTrial) at.trials -= 1;
    if (generation === null) return;
    watchEjections();
    const before = at?.isOut;
    if (at !== undefined && outcomeClass(outcome).ejects) at.strikes = [...at.strikes, atMs].slice(-20);
    ejector.outcome(ref, generation, outcome, atMs, random.next());
    const isOld = at !== undefined && at.turns !== attempt.seenTurns;
    const isNeutral = !outcomeClass(outcome).ejects && outcome !== 'success';
    if (at !== undefined && (isOld || isNeutral))
      checks.check(
        18,
        ejector.isEjected(ref, atMs) === before,
        () => `${keyOf(ref)} turned by ${outcome}${isOld ? ' from before its last turn' : ''}`,
      );
    watchEjections({ type: 'outcome', worker: ref.worker, outcome });
  }

  return {
    actor,
    start() {
      startedMs = actor.now();
      cacheStep({ type: 'start', ...stamp() });
      actor.after(HEALTH_POLL_MS, poll);
    },
    request,
    beacon(message) {
      const at = seen.get(keyOf(message.ref));
      if (at === undefined) return;
      const atMs = actor.now();
      at.health.beacon({ ...message, atMs });
      loadView.report(message.ref, { ...message, atMs });
      if (at.condition !== 'alive' && at.health.condition(atMs) === 'alive') at.condition = 'alive';
    },
    check() {
      checks.passed(2);
      if (loadView.inFlight !== outstanding)
        checks.check(8, false, () => `${loadView.inFlight} in flight, ${outstanding} sent`);
      const seconds = (actor.now() - startedMs) / 1000 + 1;
      if (paid > requests * 0.2 + 10 * seconds)
        checks.check(12, false, () => `${paid} retries of ${requests} requests`);
      if (!isEjectorTouched) return;
      isEjectorTouched = false;
      const size = seen.size;
      let ejected = 0;
      for (const { isOut } of seen.values()) if (isOut) ejected += 1;
      checks.check(
        10,
        ejected <= Math.max(1, Math.floor(size * 0.33)) && (ejected < size || size <= 1),
        () => `${ejected} of ${size} ejected`,
      );
    },
    unsettled() {
      const bad: string[] = [];
      if (open.size > 0) bad.push(`22 ${[...open].map(({ spec }) => spec.id)} open`);
      if (outstanding !== 0 || loadView.inFlight !== 0) bad.push(`25 ${outstanding} outstanding`);
      const want = world.store
        .current()
        .items.map(({ instance }) => keyOf(instance.ref))
        .sort();
      const have = cache
        .instances()
        .map(({ ref }) => keyOf(ref))
        .sort();
      if (want.join() !== have.join()) bad.push(`23 cache ${have}, store ${want}`);
      const routes = new Set(
        routable()
          .filter(({ isTrial }) => !isTrial)
          .map(({ ref }) => keyOf(ref)),
      );
      for (const { ref, isWell } of world.workers) {
        const condition = seen.get(keyOf(ref))?.condition;
        if (isWell && (!routes.has(keyOf(ref)) || condition !== 'alive'))
          bad.push(
            `24 ${keyOf(ref)} ${condition ?? 'unknown'}${ejector.isEjected(ref, actor.now()) ? ' ejected' : ''}`,
          );
      }
      return bad;
    },
    get openRequests() {
      return open.size;
    },
    prefers(ref) {
      const at = seen.get(keyOf(ref));
      return (
        at !== undefined &&
        serving.has(keyOf(ref)) &&
        at.condition === 'alive' &&
        !ejector.isEjected(ref, actor.now())
      );
    },
    isEjected: (ref) => ejector.isEjected(ref, actor.now()),
  };
}
