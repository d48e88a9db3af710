/** The workers as a frontend sees them: who is there, how they are, how loaded, and who takes the next request. */
import { Pool as HttpPool } from 'undici';
import { createBusyWorkers } from '../fleet/admission/busy-workers.js';
import type { Thresholds } from '../fleet/admission/thresholds.js';
import { createEjector, type Generation } from '../fleet/ejector.js';
import { createLoadView, type Permit } from '../fleet/load-view.js';
import type { Patience } from '../fleet/migrator-types.js';
import { type RoutableWorker, route } from '../fleet/router.js';
import type { Outcome, WorkerRef } from '../fleet/types.js';
import { createWorkerHealth, type WorkerCondition, type WorkerHealth } from '../fleet/worker-health.js';
import type { WorkerBeacon } from '../wire/beacon.js';
import { type BeaconReader, readBeacons } from './beacon-reader.js';
import type { MemberView } from './member-view.js';

export interface PoolPorts {
  now(): number;
  random(): number;
  log(fields: object, message: string): void;
  /** The worker drains: what runs there may move. */
  onLeaving(ref: WorkerRef): void;
  onCondition(ref: WorkerRef, condition: WorkerCondition): void;
  /** The process is gone, or another one is in its place. */
  onGone(ref: WorkerRef): void;
  onEjected(ref: WorkerRef): void;
  /** It has come, gone, or begun to drain. */
  onMember(member: MemberView): void;
  /** The engine there moved: who waits for a first token there has not been forgotten. */
  onProgress(ref: WorkerRef): void;
}

/** A worker that a request was given to; `release` it with what came of it, once. */
export interface Reservation {
  readonly ref: WorkerRef;
  readonly http: HttpPool;
  readonly patience: Patience;
  /** A token came. */
  token(): void;
  /** What breaks off at a worker that drains was to be expected. */
  explain(outcome: Outcome): Outcome;
  /** Null: nothing was sent. */
  release(outcome: Outcome | null): void;
}

export interface WorkerPool {
  pick(request: {
    readonly model: string | null;
    readonly excluded: readonly WorkerRef[];
    readonly promptTokens: number;
    readonly expectedTokens: number;
  }): Reservation | null;
  /** At a worker that is known; null: it takes nothing any more. */
  reserve(
    ref: WorkerRef,
    request: { readonly promptTokens: number; readonly expectedTokens: number },
  ): Reservation | null;
  models(): readonly string[];
  /** Whether a worker that takes requests is below its thresholds, and how many tokens may go out before none is. */
  room(): { readonly hasRoom: boolean; readonly roomTokens: number };
  members(): readonly MemberView[];
  forgive(ref: WorkerRef): void;
  /** Looks at silence; call it every 50 to 100 ms. */
  tick(): void;
  close(): Promise<void>;
}

interface Member {
  readonly url: string;
  readonly http: HttpPool;
  readonly reader: BeaconReader;
  ref: WorkerRef | null;
  beacon: WorkerBeacon | null;
  isGone: boolean;
  health: WorkerHealth;
  condition: WorkerCondition;
  /** Somebody else has its name; it has been said. */
  isNameless: boolean;
  /** Smoothed time between two tokens of a stream, milliseconds. */
  tokenMs: number;
}

const MIN_NEXT_MS = 1000;
const MAX_NEXT_MS = 10_000;
const FIRST_MS = 3000;
const CONNECT_MS = 1000;
const BREAKS: readonly Outcome[] = ['not_sent', 'connect', 'reset', 'truncated'];

export function createWorkerPool(
  urls: readonly string[],
  ports: PoolPorts,
  thresholds: Partial<Thresholds> = {},
): WorkerPool {
  const { now, random, log } = ports;
  const ejector = createEjector();
  const loads = createLoadView();
  /** Of those that take requests. */
  const busy = createBusyWorkers(thresholds);
  const members: Member[] = urls.map((url) => {
    const http = new HttpPool(url, {
      connections: null,
      pipelining: 1,
      connect: { timeout: CONNECT_MS },
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    const member: Member = {
      url,
      http,
      reader: readBeacons(http, {
        beacon: (beacon) => hear(member, beacon),
        lost: (error, refused) => lose(member, error, refused),
      }),
      ref: null,
      beacon: null,
      isGone: true,
      health: createWorkerHealth(now()),
      condition: 'alive',
      isNameless: false,
      tokenMs: 50,
    };
    return member;
  });

  function hear(member: Member, beacon: WorkerBeacon): void {
    const atMs = now();
    const { worker, incarnation } = beacon;
    if (member.ref?.incarnation !== incarnation || member.ref.worker !== worker) {
      if (!claimName(member, worker)) return;
      const old = member.ref;
      if (old !== null) {
        ejector.remove(old, atMs);
        loads.forget(old);
        if (!member.isGone) ports.onGone(old);
      }
      member.ref = { worker, incarnation };
      member.health = createWorkerHealth(atMs);
      member.condition = 'alive';
      ejector.add(member.ref, atMs);
      log({ worker, url: member.url, model: beacon.model }, 'worker found');
    }
    const before = member.beacon;
    member.beacon = beacon;
    const wasGone = member.isGone;
    member.isGone = false;
    if (isOpen(member))
      busy.report(worker, {
        kvRatio: beacon.kvBlocksUsed / beacon.kvBlocksTotal,
        prefillTokens: beacon.prefillTokens ?? Number.NaN,
        maxBatchedTokens: beacon.maxBatchedTokens ?? Number.NaN,
      });
    else busy.forget(worker);
    member.health.beacon({ ...beacon, atMs });
    loads.report(member.ref, { ...beacon, atMs });
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
  function claimName(member: Member, worker: string): boolean {
    const other = members.find((each) => each !== member && each.ref?.worker === worker);
    if (other === undefined || other.ref === null) return true;
    if (!other.isGone && other.condition === 'alive') {
      if (!member.isNameless) log({ worker, url: member.url, other: other.url }, 'two workers with one name');
      member.isNameless = true;
      return false;
    }
    if (!other.isGone) ports.onGone(other.ref);
    other.isGone = true;
    other.ref = null;
    ports.onMember(viewOf(other));
    return true;
  }

  function lose(member: Member, error: Error, refused: boolean): void {
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

  const isOpen = ({ isGone, beacon }: Member): boolean =>
    !isGone && beacon !== null && beacon.ready && beacon.state === 'serving';

  const isBusy = (ref: WorkerRef | null): boolean => ref !== null && busy.isBusy(ref.worker);

  function candidates(model: string | null, atMs: number): RoutableWorker[] {
    const byWorker = new Map(members.filter(isOpen).map((member) => [member.ref?.worker ?? '', member]));
    const view = ejector.view(atMs, ({ worker }) => byWorker.has(worker));
    const workers: RoutableWorker[] = [];
    // A stream that moves goes to a busy worker rather than to none.
    const allBusy = [...byWorker.values()].every(({ ref }) => isBusy(ref));
    for (const candidate of view.candidates) {
      const member = byWorker.get(candidate.ref.worker);
      if (
        member === undefined ||
        isBusy(member.ref) !== allBusy ||
        (model !== null && member.beacon?.model !== model)
      )
        continue;
      const load = loads.load(candidate.ref, atMs);
      workers.push({ ...candidate, load, condition: member.condition, cachedTokens: 0 });
    }
    return workers;
  }

  function reserve(member: Member, ref: WorkerRef, generation: Generation, permit: Permit): Reservation {
    let isOpenStill = true;
    let lastTokenMs: number | null = null;
    const nextMs = Math.min(MAX_NEXT_MS, Math.max(MIN_NEXT_MS, member.tokenMs * 10));
    const firstMs = Math.max(FIRST_MS, 3 * (member.beacon?.expectedStepMs ?? 0));
    return {
      ref,
      http: member.http,
      patience: { firstMs, nextMs },
      token() {
        const atMs = now();
        permit.progress(1);
        member.health.frame(atMs);
        if (lastTokenMs !== null) member.tokenMs += 0.05 * (atMs - lastTokenMs - member.tokenMs);
        lastTokenMs = atMs;
      },
      release(outcome) {
        if (!isOpenStill) return;
        isOpenStill = false;
        const atMs = now();
        permit.release();
        watchEjection(ref, () => ejector.outcome(ref, generation, outcome ?? 'cancelled', atMs, random()));
      },
      explain: (outcome) =>
        member.beacon?.state === 'draining' && BREAKS.includes(outcome) ? 'draining' : outcome,
    };
  }

  function reserveAt(
    member: Member,
    ref: WorkerRef,
    promptTokens: number,
    expectedTokens: number,
  ): Reservation | null {
    const atMs = now();
    const generation = ejector.permit(ref, atMs);
    if (generation === null) return null;
    busy.sent(ref.worker, promptTokens);
    return reserve(member, ref, generation, loads.send(ref, promptTokens + expectedTokens, atMs));
  }

  function viewOf(member: Member): MemberView {
    const { url, ref, beacon, isGone, condition } = member;
    const load = ref === null ? null : loads.load(ref, now());
    return {
      url,
      ref,
      model: beacon?.model ?? null,
      condition: ref === null ? 'unknown' : condition,
      state: isGone || beacon === null ? 'gone' : beacon.state,
      isEjected: ref !== null && ejector.isEjected(ref, now()),
      isBusy: isBusy(ref),
      load: load?.tokens ?? 0,
      inFlight: load?.inFlight ?? 0,
    };
  }

  return {
    pick({ model, excluded, promptTokens, expectedTokens }) {
      const atMs = now();
      const chosen = route({ excluded, promptTokens }, candidates(model, atMs), [random(), random()]);
      const member = members.find(({ ref }) => ref !== null && ref.worker === chosen?.ref.worker);
      if (chosen === null || member === undefined) return null;
      return reserveAt(member, chosen.ref, promptTokens, expectedTokens);
    },
    reserve(ref, { promptTokens, expectedTokens }) {
      const member = members.find((each) => each.ref?.incarnation === ref.incarnation);
      if (member === undefined || !isOpen(member)) return null;
      return reserveAt(member, ref, promptTokens, expectedTokens);
    },
    models: () => [
      ...new Set(members.filter(isOpen).flatMap(({ beacon }) => (beacon === null ? [] : [beacon.model]))),
    ],
    room: () => ({ hasRoom: busy.hasRoom, roomTokens: busy.roomTokens }),
    members: () => members.map(viewOf),
    forgive: (ref) => ejector.forgive(ref),
    tick() {
      const atMs = now();
      for (const member of members) if (!member.isGone) judge(member, atMs);
    },
    async close() {
      for (const { reader } of members) reader.close();
      await Promise.all(members.map(({ http }) => http.destroy()));
    },
  };
}
