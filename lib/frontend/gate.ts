/** In front of the workers: a lane of its own for each model, so that a busy one holds up nobody who wants another. */
import type { PoolAdmissionOptions } from '../fleet/admission/admission.js';
import type { ServiceSpeed } from '../fleet/service-rate.js';
import { createLane, type Entry, type Lane, type LanePorts, type LaneRequest } from './lane.js';

export interface GateRequest extends LaneRequest {
  /** Null: it is not known which one will answer. */
  readonly model: string | null;
}

/** Figures are those of all models together. */
export interface Gate {
  readonly queued: number;
  readonly inFlightTokens: number;
  /** Infinity: no limit. */
  readonly limitTokens: number;
  readonly speed: ServiceSpeed;
  enter(request: GateRequest, on: Parameters<Lane['enter']>[1]): Entry;
  /** Whether any request of a class for this model would be refused now, as certain as that is. */
  isFull(model: string | null, priority: string): boolean;
  /** A request had its first token, after it had waited in its worker for so long before its prefill. */
  waited(model: string | null, waitMs: number): void;
  /** Whole seconds after which one that is refused elsewhere may come back. */
  retryAfterSeconds(model: string | null): number;
  tick(): void;
}

export interface GatePorts {
  now(): number;
  random(): number;
  /** Whether a worker was ever seen with it: clients may make up any name. */
  isKnown(model: string): boolean;
  /** Of one model; null: of all. */
  room(model: string | null): ReturnType<LanePorts['room']>;
  speed(model: string | null, atMs: number): ServiceSpeed;
}

/** @param options count for each model by itself, but `maxQueueBytes`, which is for all that wait */
export function createGate(options: PoolAdmissionOptions, ports: GatePorts): Gate {
  const { now, random } = ports;
  /** Null: of requests whose model no worker was seen with. */
  const lanes = new Map<string | null, Lane>();
  const sum = (of: (lane: Lane) => number): number => {
    let total = 0;
    for (const lane of lanes.values()) total += of(lane);
    return total;
  };
  const queuedBytes = (): number => sum((lane) => lane.queuedBytes);
  const nobody = open(null);

  function open(model: string | null): Lane {
    const lane: Lane = createLane(options, {
      now,
      random,
      room: () => ports.room(model),
      speed: (atMs) => ports.speed(model, atMs),
      bytesElsewhere: () => (lanes.size === 1 ? 0 : queuedBytes() - lane.queuedBytes),
    });
    lanes.set(model, lane);
    return lane;
  }

  function laneOf(model: string | null): Lane {
    if (model === null) return nobody;
    return lanes.get(model) ?? (ports.isKnown(model) ? open(model) : nobody);
  }

  return {
    get queued() {
      return sum(({ queued }) => queued);
    },
    get inFlightTokens() {
      return sum(({ inFlightTokens }) => inFlightTokens);
    },
    get limitTokens() {
      if (lanes.size === 1) return nobody.limitTokens;
      return sum((lane) => (lane === nobody ? 0 : lane.limitTokens));
    },
    get speed() {
      return ports.speed(null, now());
    },
    enter: (request, on) => laneOf(request.model).enter(request, on),
    isFull: (model, priority) => laneOf(model).isFull(priority),
    waited: (model, waitMs) => laneOf(model).waited(waitMs),
    retryAfterSeconds: (model) => laneOf(model).retryAfterSeconds(),
    tick() {
      for (const lane of lanes.values()) lane.tick();
    },
  };
}
