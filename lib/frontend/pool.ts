/** The workers as a frontend sees them: who is there, how they are, how loaded, and who takes the next request. */
import type { Thresholds } from '../fleet/admission/thresholds.js';
import { createEjector } from '../fleet/ejector.js';
import { createLoadView } from '../fleet/load-view.js';
import { route } from '../fleet/router.js';
import { createServiceRate } from '../fleet/service-rate.js';
import type { WorkerRef } from '../fleet/types.js';
import { isNewer, type WorkerBeacon } from '../wire/beacon.js';
import { createBusyModels } from './busy-models.js';
import { createCandidates } from './candidates.js';
import { closeMember, createMember, isOpen, type Member, newHealth } from './member.js';
import type { MemberView } from './member-view.js';
import type { PoolPorts, Reservation, WorkerPool } from './pool-types.js';
import { PROBLEM_TEXTS, problemOf, type WorkerProblem } from './problem.js';
import { createReservation } from './reservation.js';

export type { PoolPorts, Reservation, WorkerPool } from './pool-types.js';

export function createWorkerPool(
  urls: readonly string[],
  ports: PoolPorts,
  thresholds: Partial<Thresholds> = {},
): WorkerPool {
  const { now, random, log, warn } = ports;
  const ejector = createEjector();
  const loads = createLoadView();
  const serviceRate = createServiceRate();
  /** Of those that take requests. */
  const busy = createBusyModels(thresholds);
  const members = new Map<string, Member>();
  /** By the name of the worker that is there. */
  const named = new Map<string, Member>();

  function add(url: string): void {
    const known = members.get(url);
    if (known === undefined) {
      const http = ports.workerHttp.open(url);
      members.set(url, createMember(url, http, now(), { beacon: hear, lost: lose }, ports.rest));
    } else known.isRetired = false;
  }

  function remove(url: string): void {
    const member = members.get(url);
    if (member === undefined || member.isRetired) return;
    member.isRetired = true;
    log({ worker: member.ref?.worker ?? null, url }, 'worker no longer registered');
    if (member.ref !== null) busy.forget(member.ref.worker);
    if (member.reservations === 0) drop(member);
    else ports.onMember(viewOf(member));
  }

  function drop(member: Member): void {
    members.delete(member.url);
    closeMember(member);
    member.isGone = true;
    if (member.ref !== null) {
      leave(member.ref);
      if (named.get(member.ref.worker) === member) named.delete(member.ref.worker);
    }
    ports.onMember(viewOf(member));
  }

  function leave(ref: WorkerRef): void {
    ejector.remove(ref, now());
    loads.forget(ref);
    serviceRate.forget(ref.worker);
  }

  /** Over the worker's own connection: that one says who is there, and its word is the last. */
  function hear(member: Member, beacon: WorkerBeacon): void {
    member.problem = null;
    if (member.isGone || isNewer(beacon, member.beacon, 'own connection')) take(member, beacon);
  }

  function hearElsewhere(beacon: WorkerBeacon): 'taken' | 'unknown' | 'old' {
    const member = named.get(beacon.worker);
    if (member === undefined || member.isGone || member.ref?.incarnation !== beacon.incarnation)
      return 'unknown';
    const isNew = isNewer(beacon, member.beacon, 'elsewhere');
    // Also where HTTP was faster with the same one. Not for what lags behind: with HTTP at rest nothing new would come.
    if (isNew || beacon.seq === member.beacon?.seq) member.reader.rest();
    if (!isNew) return 'old';
    take(member, beacon);
    return 'taken';
  }

  function take(member: Member, beacon: WorkerBeacon): void {
    const atMs = now();
    const { worker, incarnation } = beacon;
    if (member.ref?.incarnation !== incarnation || member.ref.worker !== worker) {
      if (!claimName(member, beacon)) return;
      const old = member.ref;
      if (old !== null) {
        leave(old);
        if (old.worker !== worker) named.delete(old.worker);
        if (!member.isGone) ports.onGone(old);
      }
      member.ref = { worker, incarnation };
      named.set(worker, member);
      member.health = newHealth(member.engine, atMs);
      member.condition = 'alive';
      ejector.add(member.ref, atMs);
      log({ worker, url: member.url, model: beacon.model }, 'worker found');
    }
    const before = member.beacon;
    member.beacon = beacon;
    const wasGone = member.isGone;
    member.isGone = false;
    if (isOpen(member))
      busy.report(beacon.model, worker, {
        kvRatio: beacon.kvBlocksUsed / beacon.kvBlocksTotal,
        prefillTokens: beacon.prefillTokens ?? Number.NaN,
        maxBatchedTokens: beacon.maxBatchedTokens ?? Number.NaN,
      });
    else busy.forget(worker);
    // Field by field: to copy the whole beacon twice was most of what one costs.
    const { engineStep, running, scheduledTokens, expectedStepMs } = beacon;
    member.health.beacon({ atMs, engineStep, running, scheduledTokens, expectedStepMs });
    const { activeTokens, kvBlocksUsed, kvBlocksTotal } = beacon;
    loads.report(member.ref, { atMs, activeTokens, kvBlocksUsed, kvBlocksTotal });
    if (wasGone || before?.incarnation !== incarnation || before.state !== beacon.state)
      ports.onMember(viewOf(member));
    if (beacon.state === 'draining' && before?.state !== 'draining') {
      log({ worker }, 'worker drains');
      ports.onLeaving(member.ref);
    }
    if (before !== null && beacon.engineStep !== before.engineStep) ports.onProgress(member.ref);
    judge(member, atMs);
  }

  /** A name has one worker: records are kept by it. One that is silent loses it to one that is not. */
  function claimName(member: Member, { worker, incarnation }: WorkerBeacon): boolean {
    const other = named.get(worker);
    if (other === undefined || other === member || other.ref === null) return true;
    // The same one by another address is as slow there: only where it cannot be heard any more is this a better way.
    const isSame = other.ref.incarnation === incarnation;
    if (!other.isGone && (other.condition === 'alive' || (isSame && other.condition !== 'frozen'))) {
      if (!member.isNameless) log({ worker, url: member.url, other: other.url }, 'two workers with one name');
      member.isNameless = true;
      return false;
    }
    if (!other.isGone) ports.onGone(other.ref);
    leave(other.ref);
    other.isGone = true;
    other.ref = null;
    ports.onMember(viewOf(other));
    return true;
  }

  /** A setting is wrong, here or there. The worker is out, and said to be; no ejection: it has done nothing. */
  function exclude(member: Member, problem: WorkerProblem, error: string): void {
    if (member.problem === problem) return;
    member.problem = problem;
    warn({ url: member.url, error }, PROBLEM_TEXTS[problem]);
    if (member.isGone) return;
    member.isGone = true;
    if (member.ref !== null) busy.forget(member.ref.worker);
    ports.onMember(viewOf(member));
  }

  function lose(member: Member, error: Error, refused: boolean): void {
    const problem = problemOf(error);
    if (problem !== null) {
      exclude(member, problem, error.message);
      return;
    }
    if (member.ref === null && member.lastError !== error.message) {
      member.lastError = error.message;
      warn({ url: member.url, error: error.message }, 'worker not reached');
    }
    if (!refused || member.isGone || member.ref === null) return;
    // Nobody listens where it was: the process is gone, and what ran there with it.
    member.isGone = true;
    busy.forget(member.ref.worker);
    log({ worker: member.ref.worker, error: error.message }, 'worker gone');
    ports.onMember(viewOf(member));
    strike(member.ref);
    // A worker that drains may close its listener before its last stream ends.
    if (member.beacon?.state !== 'draining') ports.onGone(member.ref);
  }

  function strike(ref: WorkerRef): void {
    const atMs = now();
    watchEjection(ref, () => ejector.strike(ref, atMs, random()));
  }

  function watchEjection(ref: WorkerRef, act: () => void): void {
    const before = ejector.isEjected(ref, now());
    act();
    if (before || !ejector.isEjected(ref, now())) return;
    log({ worker: ref.worker }, 'worker ejected');
    ports.onEjected(ref);
  }

  function judge(member: Member, atMs: number): void {
    if (member.ref === null) return;
    const condition = member.health.condition(atMs);
    if (condition === member.condition) return;
    member.condition = condition;
    const { ref } = member;
    log({ worker: ref.worker, condition }, 'worker condition');
    if (condition === 'frozen' || condition === 'hung') strike(ref);
    ports.onCondition(ref, condition);
  }

  const isBusy = (ref: WorkerRef | null): boolean => ref !== null && busy.isBusy(ref.worker);

  const candidates = createCandidates({ named, ejector, loads, busy, random });

  function reserve(
    member: Member,
    ref: WorkerRef,
    { promptTokens, expectedTokens }: { readonly promptTokens: number; readonly expectedTokens: number },
  ): Reservation | null {
    const atMs = now();
    const generation = ejector.permit(ref, atMs);
    if (generation === null) return null;
    busy.sent(ref.worker, promptTokens);
    const served = serviceRate.send(ref.worker, promptTokens, atMs);
    return createReservation(member, loads.send(ref, promptTokens + expectedTokens, atMs), {
      now,
      tokens(tokenMs, count) {
        const waitMs = served.tokens(tokenMs, count);
        if (waitMs !== null) ports.onFirstToken(member.beacon?.model ?? null, waitMs);
      },
      released(outcome) {
        served.end(now());
        watchEjection(ref, () => ejector.outcome(ref, generation, outcome ?? 'cancelled', now(), random()));
        if (member.isRetired && member.reservations === 0 && members.get(member.url) === member) drop(member);
      },
      refused(problem) {
        exclude(member, problem, PROBLEM_TEXTS[problem]);
        member.reader.again();
      },
    });
  }

  function viewOf(member: Member): MemberView {
    const { url, ref, beacon, isGone, condition, problem } = member;
    const load = ref === null ? null : loads.load(ref, now());
    return {
      url,
      ref,
      model: beacon?.model ?? null,
      condition: ref === null ? 'unknown' : condition,
      state: isGone || beacon === null ? 'gone' : member.isLeaving ? 'draining' : beacon.state,
      problem,
      isEjected: ref !== null && ejector.isEjected(ref, now()),
      isBusy: isBusy(ref),
      load: load?.tokens ?? 0,
      inFlight: load?.inFlight ?? 0,
    };
  }

  for (const url of urls) add(url);

  return {
    add,
    remove,
    setLeaving(url, isLeaving) {
      const member = members.get(url);
      if (member === undefined || member.isLeaving === isLeaving) return;
      member.isLeaving = isLeaving;
      if (isLeaving && member.ref !== null) busy.forget(member.ref.worker);
      ports.onMember(viewOf(member));
      if (!isLeaving || member.ref === null || member.beacon?.state === 'draining') return;
      log({ worker: member.ref.worker }, 'worker leaves');
      ports.onLeaving(member.ref);
    },
    isAnswering({ worker, incarnation }) {
      const member = named.get(worker);
      return (
        member?.ref?.incarnation === incarnation &&
        !member.isGone &&
        (member.condition === 'alive' || member.condition === 'suspect')
      );
    },
    pick({ model, excluded, ...tokens }) {
      const atMs = now();
      const chosen = route({ excluded, promptTokens: tokens.promptTokens }, candidates(model, atMs), [
        random(),
        random(),
      ]);
      const member = chosen === null ? undefined : named.get(chosen.ref.worker);
      return chosen === null || member === undefined ? null : reserve(member, chosen.ref, tokens);
    },
    reserve(ref, tokens) {
      const member = named.get(ref.worker);
      if (member?.ref?.incarnation !== ref.incarnation || !isOpen(member)) return null;
      return reserve(member, ref, tokens);
    },
    hear: hearElsewhere,
    models: () => [
      ...new Set(
        [...members.values()].filter(isOpen).flatMap(({ beacon }) => (beacon === null ? [] : [beacon.model])),
      ),
    ],
    room: busy.room,
    speed: (model, atMs) =>
      serviceRate.speed(
        atMs,
        model === null ? undefined : (worker) => named.get(worker)?.beacon?.model === model,
      ),
    thresholds: { models: busy.models, get: busy.thresholds, set: busy.set },
    members: () => [...members.values()].map(viewOf),
    forgive: (ref) => ejector.forgive(ref),
    tick() {
      const atMs = now();
      for (const member of members.values()) if (!member.isGone) judge(member, atMs);
    },
    async close() {
      for (const { reader } of members.values()) reader.close();
      await Promise.all([...members.values()].map(({ http }) => http.destroy()));
      ports.workerHttp.close();
    },
  };
}
