/** The requests of one frontend from their arrival to their end, carried out as the product does. */
import type { LogicalRequest, RequestOutput } from '../../../lib/fleet/logical-request.js';
import type { MigrationEffect, MigrationEvent } from '../../../lib/fleet/migrator-types.js';
import { createQuarantine } from '../../../lib/fleet/quarantine.js';
import type { WorkerRef } from '../../../lib/fleet/types.js';
import { createClient, type SimClient } from '../client.js';
import type { RequestSpec } from '../scenario.js';
import { count } from '../stats.js';
import { END_TOKEN } from '../toy-engine.js';
import type { Admission, Entry } from './admission.js';
import { type Attempts, createAttempts } from './attempts.js';
import { createBudgets } from './budgets.js';
import { type Core, isSameLife, type Open } from './core.js';
import type { Ejections } from './ejections.js';
import type { Picker } from './pick.js';

export interface Requests {
  readonly attempts: Attempts;
  arrive(spec: RequestSpec): SimClient;
  /** Something all requests are told. */
  tellAll(event: MigrationEvent): void;
  /** Attempts at one worker, or at the other lives of it, have ended. */
  fail(ref: WorkerRef, whose: 'its' | 'other lives', outcome: 'stalled' | 'reset'): void;
  /** After every event. */
  check(): void;
}

export function createRequests(
  core: Core,
  admission: Admission,
  picker: Picker,
  ejections: Ejections,
): Requests {
  const { world, actor, ejector, open, stamp } = core;
  const { checks, kernel, machines, scenario, stats } = world;
  const budgets = createBudgets(core);
  const quarantine = createQuarantine();
  const attempts = createAttempts(core, admission, picker, ejections, { handle, token: budgets.token });

  function arrive(spec: RequestSpec): SimClient {
    stats.requests += 1;
    const atMs = actor.now();
    const client = createClient(world, spec);
    if (quarantine.has(`${spec.seed}`, atMs)) {
      const usage = {
        promptTokens: spec.promptTokens,
        completionTokens: 0,
        replayedTokens: 0,
        migrations: 0,
      };
      client.receive({ type: 'error', outcome: 'poison', why: 'quarantined', usage });
      return client;
    }
    budgets.deposit(atMs);
    const deadlineMs = spec.deadlineMs === null ? null : atMs + core.toLocal(spec.deadlineMs);
    let entry: Open | null = null;
    const place = admission.enter(spec, {
      admit(own) {
        entry = begin(spec, client, own, deadlineMs);
      },
      reject(reason) {
        client.refuse();
        count(stats.rejected, reason);
      },
    });
    if (spec.leavesAfterMs === null) return client;
    actor.receive(kernel.nowMs + spec.leavesAfterMs, () => {
      if (client.isOver) return;
      client.leave();
      if (entry === null) place.leave();
      else handle(entry, entry.logical.stepAll({ type: 'cancel', atMs: actor.now() }));
    });
    return client;
  }

  function begin(spec: RequestSpec, client: SimClient, place: Entry, deadlineMs: number | null): Open {
    const entry: Open = {
      spec,
      logical: createLogical(spec, deadlineMs),
      client,
      place,
      hasToken: false,
      choices: [],
      timerMs: Number.POSITIVE_INFINITY,
      isOver: false,
    };
    while (entry.choices.length < spec.choices)
      entry.choices.push({ attempts: new Map(), failedOn: [], length: 0, appendedBy: -1 });
    open.add(entry);
    handle(entry, entry.logical.start(actor.now()));
    return entry;
  }

  function createLogical(spec: RequestSpec, deadlineMs: number | null): LogicalRequest {
    const { promptTokens, maxTokens, choices, stop } = spec;
    return machines.createLogicalRequest({
      request: {
        promptTokens,
        maxTokens,
        endTokens: [END_TOKEN],
        isReplayable: true,
        deadlineMs,
      },
      limits: { migrationLimit: scenario.migrationLimit },
      retryBudget: budgets.retry,
      hedgeBudget: budgets.hedge,
      choices,
      stop,
    });
  }

  function handle(entry: Open, out: RequestOutput): void {
    let hasEnded = false;
    for (const event of out.client) {
      entry.client.receive(event);
      if (event.type !== 'end' && event.type !== 'error') continue;
      entry.isOver = true;
      hasEnded = true;
      if (event.type === 'end') stats.finished += 1;
      else count(stats.failed, event.outcome);
    }
    for (const { choice, effect } of out.effects) perform(entry, choice, effect);
    // The place is free when its attempts are.
    if (hasEnded) entry.place.leave();
    if (entry.isOver && entry.choices.every((each) => each.attempts.size === 0)) open.delete(entry);
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
        handle(entry, entry.logical.step(choice, picker.answer(entry, state, effect.excluded)));
        return;
      case 'dispatch':
        attempts.dispatch(entry, choice, effect);
        return;
      case 'warm':
        attempts.warm(entry, choice, effect.ref);
        return;
      case 'kill':
        state.attempts.get(effect.epoch)?.connection.cancel();
        return;
      case 'outcome':
        attempts.settle(state, effect.epoch, effect.outcome);
        return;
      case 'migrated':
        stats.migrations += 1;
        return;
      case 'poison':
        stats.poison += 1;
        quarantine.add(`${entry.spec.seed}`, actor.now());
        for (const ref of effect.workers) ejector.forgive(ref);
        ejections.watch({ type: 'poison', worker: '' });
        return;
      case 'end':
        return;
    }
  }

  return {
    attempts,
    arrive,
    tellAll(event) {
      for (const entry of open) handle(entry, entry.logical.stepAll(event));
    },
    fail(ref, whose, outcome) {
      for (const entry of open)
        for (const [choice, state] of entry.choices.entries())
          for (const [epoch, attempt] of [...state.attempts])
            if (attempt.ref.worker === ref.worker && isSameLife(attempt.ref, ref) === (whose === 'its')) {
              attempt.connection.cancel();
              handle(entry, entry.logical.step(choice, { type: 'failed', epoch, outcome, ...stamp() }));
            }
    },
    check() {
      checks.passed(1);
      const { outstanding } = attempts;
      const { inFlight } = core.loadView;
      if (inFlight !== outstanding)
        checks.check(8, false, () => `${inFlight} in flight, ${outstanding} sent`);
      budgets.check();
    },
  };
}
