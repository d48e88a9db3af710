/** The workers as a frontend sees them: who is there, how they are, how loaded, and who takes the next request. */
import type { Thresholds } from '../fleet/admission/thresholds.js';
import { route } from '../fleet/router.js';
import type { WorkerRef } from '../fleet/types.js';
import { createCandidates } from './candidates.js';
import { isOpen, type Member } from './member.js';
import { createPoolHearing } from './pool-hearing.js';
import { createPoolJudge } from './pool-judge.js';
import { createPoolRoster } from './pool-roster.js';
import { createPoolState } from './pool-state.js';
import type { PoolPorts, Reservation, WorkerPool } from './pool-types.js';
import { PROBLEM_TEXTS } from './problem.js';
import { createReservation } from './reservation.js';

export type { PoolPorts, Reservation, WorkerPool } from './pool-types.js';

export function createWorkerPool(
  urls: readonly string[],
  ports: PoolPorts,
  thresholds: Partial<Thresholds> = {},
): WorkerPool {
  const { now, random } = ports;
  const state = createPoolState(ports, thresholds);
  const { ejector, loads, serviceRate, busy, members, named } = state;
  const { exclude, lose, watchEjection, judge } = createPoolJudge(state);
  const { hear, hearElsewhere } = createPoolHearing(state, { judge });
  const roster = createPoolRoster(state, { hear, lose });
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
        roster.released(member);
      },
      refused(problem) {
        exclude(member, problem, PROBLEM_TEXTS[problem]);
        member.reader.again();
      },
    });
  }

  for (const url of urls) roster.add(url);

  return {
    add: roster.add,
    remove: roster.remove,
    setLeaving: roster.setLeaving,
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
    models: state.openModels,
    room: busy.room,
    speed: (model, atMs) =>
      serviceRate.speed(
        atMs,
        model === null ? undefined : (worker) => named.get(worker)?.beacon?.model === model,
      ),
    thresholds: { models: busy.models, get: busy.thresholds, set: busy.set },
    members: () => [...members.values()].map(state.viewOf),
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
