/** Attempts at workers: what is sent, what comes back, and what each of them came to. */
import type { RequestOutput } from '../../../lib/fleet/logical-request.js';
import { outcomeClass } from '../../../lib/fleet/migratable.js';
import type { MigrationEffect, MigrationEvent } from '../../../lib/fleet/migrator-types.js';
import type { Mutable } from '../../../lib/fleet/mutable.js';
import type { Outcome, WorkerRef } from '../../../lib/fleet/types.js';
import type { Admission } from './admission.js';
import { type Choice, type Core, keyOf, type Open } from './core.js';
import { type Ejections, isNeutral } from './ejections.js';
import { PATIENCE, type Picker } from './pick.js';

export interface AttemptPorts {
  handle(entry: Open, out: RequestOutput): void;
  /** One came, and was new. */
  token(): void;
}

export interface Attempts {
  /** Sent and not settled. */
  readonly outstanding: number;
  dispatch(entry: Open, choice: number, effect: MigrationEffect & { readonly type: 'dispatch' }): void;
  warm(entry: Open, choice: number, ref: WorkerRef): void;
  settle(state: Choice, epoch: number, outcome: Outcome): void;
}

export function createAttempts(
  core: Core,
  admission: Admission,
  picker: Picker,
  ejections: Ejections,
  { handle, token }: AttemptPorts,
): Attempts {
  const { world, actor, ejector, loadView } = core;
  const { checks, machines, random, stats } = world;

  function tell(entry: Open, choice: number, event: MigrationEvent): void {
    if (!entry.isOver) handle(entry, entry.logical.step(choice, event));
  }

  function connect(entry: Open, choice: number, epoch: number, ref: WorkerRef) {
    return world.worker(ref.worker).connect(actor, {
      progress: () => tell(entry, choice, { type: 'progress', atMs: actor.now(), epoch }),
      warmed: () => {},
      frame: (seq, tokenId, bytes) => frame(entry, choice, epoch, seq, tokenId, bytes),
      finish: (reason, length) =>
        tell(entry, choice, { type: 'finish', atMs: actor.now(), epoch, reason, length }),
      failed(outcome, retryAfterMs = 0) {
        if (entry.isOver) return;
        const atMs = actor.now();
        tell(entry, choice, { type: 'failed', atMs, epoch, outcome, retryAfterMs, random: random.next() });
      },
    });
  }

  function dispatch(
    entry: Open,
    choice: number,
    { epoch, ref, startSeq, purpose }: MigrationEffect & { readonly type: 'dispatch' },
  ): void {
    const atMs = actor.now();
    const { spec, logical } = entry;
    stats.dispatches += 1;
    if (purpose === 'hedge') stats.hedges += 1;
    if (purpose === 'planned') stats.planned += 1;
    const at = core.find(ref);
    const isTrial = picker.takeTrial(ref);
    const generation = ejector.permit(ref, atMs);
    const permit = loadView.send(ref, spec.promptTokens + spec.maxTokens, atMs);
    const served = admission.sent(ref, spec.promptTokens, startSeq);
    attempts.outstanding += 1;
    const connection = connect(entry, choice, epoch, ref);
    const seenTurns = at?.turns ?? 0;
    entry.choices[choice]!.attempts.set(epoch, {
      ref,
      generation,
      permit,
      connection,
      isTrial,
      served,
      seenTurns,
    });
    if (at !== undefined && isTrial) {
      at.trials += 1;
      checks.check(11, at.trials <= 1, () => `${at.trials} trials of ${keyOf(ref)} at once`);
    }
    const tokens = logical.tokens(choice);
    checks.check(4, startSeq === tokens.length, () => `dispatch at ${startSeq}, log of ${tokens.length}`);
    const { incarnation } = ref;
    const generated = tokens.slice();
    connection.submit(machines.onSubmit({ request: spec, choice, incarnation, generated, isWarm: false }));
  }

  function warm(entry: Open, choice: number, ref: WorkerRef): void {
    let isTold = false;
    const once = (type: 'warmed' | 'warm_failed'): void => {
      if (isTold) return;
      isTold = true;
      tell(entry, choice, { type, atMs: actor.now(), ref });
    };
    const connection = world.worker(ref.worker).connect(actor, {
      progress: () => {},
      warmed: () => once('warmed'),
      frame: () => {},
      finish: () => {},
      failed: () => once('warm_failed'),
    });
    actor.after(PATIENCE.firstMs, () => {
      if (!isTold) connection.cancel();
      once('warm_failed');
    });
    const { incarnation } = ref;
    const generated = entry.logical.tokens(choice).slice();
    connection.submit({ request: entry.spec, choice, incarnation, generated, isWarm: true });
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
    const atMs = actor.now();
    const attempt = state.attempts.get(epoch);
    if (attempt !== undefined) {
      core.find(attempt.ref)?.health.frame(atMs);
      attempt.permit.progress(1);
      const waitMs = attempt.served.tokens(atMs, 1);
      if (waitMs !== null && !entry.hasToken) entry.place.scheduled(waitMs);
      entry.hasToken = true;
    }
    const out = entry.logical.frame(choice, { atMs, epoch, seq, tokenId, bytes });
    const tokens = entry.logical.tokens(choice);
    if (tokens.length > state.length) appended(entry, choice, epoch, seq, tokens);
    if (out.client.length > 0 || out.effects.length > 0) handle(entry, out);
  }

  function appended(entry: Open, choice: number, epoch: number, seq: number, tokens: Int32Array): void {
    const state = entry.choices[choice]!;
    const { id } = entry.spec;
    checks.passed(3);
    const right = entry.client.answer(choice).tokens;
    if (tokens.length !== state.length + 1 || seq !== state.length)
      checks.check(1, false, () => `${id} grew to ${tokens.length} with ${seq}`);
    if (tokens[seq] !== right[seq])
      checks.check(
        1,
        false,
        () => `${id}/${choice} token ${seq} is ${tokens[seq]}, not ${right[seq]} (epoch ${epoch})`,
      );
    if (epoch < state.appendedBy)
      checks.check(4, false, () => `epoch ${epoch} appends after ${state.appendedBy}`);
    state.appendedBy = epoch;
    state.length = tokens.length;
    stats.tokens += 1;
    entry.place.progress();
    token();
  }

  function settle(state: Choice, epoch: number, outcome: Outcome): void {
    const attempt = state.attempts.get(epoch);
    checks.check(8, attempt !== undefined, () => `a second outcome of epoch ${epoch}`);
    if (attempt === undefined) return;
    state.attempts.delete(epoch);
    const { ref, generation, permit, isTrial, served, seenTurns } = attempt;
    const atMs = actor.now();
    permit.release();
    served.end(atMs);
    attempts.outstanding -= 1;
    if (outcomeClass(outcome).migrate !== 'no') state.failedOn.push(ref);
    const at = core.find(ref);
    if (at !== undefined && isTrial) at.trials -= 1;
    if (generation === null) return;
    ejections.watch();
    const before = at?.isOut;
    if (at !== undefined && outcomeClass(outcome).ejects) ejections.struck(at, atMs);
    ejector.outcome(ref, generation, outcome, atMs, random.next());
    const isOld = at !== undefined && at.turns !== seenTurns;
    if (at !== undefined && (isOld || isNeutral(outcome)))
      checks.check(
        18,
        ejector.isEjected(ref, atMs) === before,
        () => `${keyOf(ref)} turned by ${outcome}${isOld ? ' from before its last turn' : ''}`,
      );
    ejections.watch({ type: 'outcome', worker: ref.worker, outcome });
  }

  const attempts: Mutable<Attempts> = { outstanding: 0, dispatch, warm, settle };
  return attempts;
}
