/** What a pool keeps of its workers. */
import type { Thresholds } from '../fleet/admission/thresholds.js';
import { createEjector, type Ejector } from '../fleet/ejector.js';
import { createLoadView, type LoadView } from '../fleet/load-view.js';
import { createServiceRate, type ServiceRate } from '../fleet/service-rate.js';
import type { WorkerRef } from '../fleet/types.js';
import { type BusyModels, createBusyModels } from './busy-models.js';
import { isOpen, type Member } from './member.js';
import type { MemberView } from './member-view.js';
import type { PoolPorts } from './pool-types.js';

export interface PoolState {
  readonly ports: PoolPorts;
  readonly ejector: Ejector;
  readonly loads: LoadView;
  readonly serviceRate: ServiceRate;
  /** Of those that take requests. */
  readonly busy: BusyModels;
  readonly members: Map<string, Member>;
  /** By the name of the worker that is there. */
  readonly named: Map<string, Member>;
  /** That a worker takes requests for, in the order of the workers. */
  openModels(): readonly string[];
  /** Whether a worker takes requests may have changed. */
  changed(member: Member): void;
  /** It has, and others are to know. */
  tell(member: Member): void;
  /** A life of a worker is over. */
  leave(ref: WorkerRef): void;
  viewOf(member: Member): MemberView;
}

export function createPoolState(ports: PoolPorts, thresholds: Partial<Thresholds>): PoolState {
  const { now } = ports;
  const ejector = createEjector();
  const loads = createLoadView();
  const serviceRate = createServiceRate();
  const busy = createBusyModels(thresholds);
  const members = new Map<string, Member>();
  /** Asked for with every request; null: not known any more. */
  let openModels: readonly string[] | null = null;

  const openModelOf = (member: Member): string | null =>
    isOpen(member) ? (member.beacon?.model ?? null) : null;

  function changed(member: Member): void {
    const model = openModelOf(member);
    if (model === member.openModel) return;
    member.openModel = model;
    openModels = null;
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
      isBusy: ref !== null && busy.isBusy(ref.worker),
      load: load?.tokens ?? 0,
      inFlight: load?.inFlight ?? 0,
    };
  }

  return {
    ...{ ports, ejector, loads, serviceRate, busy, members, viewOf, changed },
    named: new Map(),
    openModels() {
      openModels ??= [...new Set([...members.values()].flatMap((member) => openModelOf(member) ?? []))];
      return openModels;
    },
    tell(member) {
      changed(member);
      ports.onMember(viewOf(member));
    },
    leave(ref) {
      ejector.remove(ref, now());
      loads.forget(ref);
      serviceRate.forget(ref.worker);
    },
  };
}
