/** Messages between processes: delay, loss, reordering, duplicates, and ways that are closed in one direction. */
import type { Actor, Kernel } from './kernel.js';
import type { Prng } from './prng.js';

/** What a way between two processes does beyond its plain delay; all of it can be on at once. */
export interface Weather {
  /** Times the delay. */
  delay: number;
  loss: number;
  reorder: number;
  duplicate: number;
}

export interface Network {
  /** Of all frames between frontends and workers. */
  readonly weather: Weather;
  /** Share of bus messages that are lost. */
  busLoss: number;
  /** A way in one direction; what it carried before goes on. */
  createLane(from: Actor, to: Actor, isStream: boolean): Lane;
  /** A message on its own that may be lost, as on an event bus. */
  publish(from: Actor, to: Actor, call: () => void): void;
  /** Whether a message may be lost now. */
  isLossy(): boolean;
  close(from: string, to: string): void;
  open(from: string, to: string): void;
}

export interface Lane {
  send(call: () => void): void;
}

export interface NetworkOptions {
  readonly delayMs: number;
  readonly jitterMs: number;
  readonly isHeld: boolean;
}

export function createNetwork(kernel: Kernel, random: Prng, options: NetworkOptions): Network {
  const weather: Weather = { delay: 1, loss: 0, reorder: 0, duplicate: 0 };
  const closed = new Map<string, number>();
  const held = new Map<string, (() => void)[]>();
  const keyOf = (from: string, to: string): string => `${from}>${to}`;
  const delayMs = (): number => (options.delayMs + random.next() * options.jitterMs) * weather.delay;

  const network: Network = {
    weather,
    busLoss: 0,
    createLane(from, to, isStream) {
      const key = keyOf(from.name, to.name);
      let lastMs = 0;
      function send(call: () => void): void {
        if (closed.size > 0 && (closed.get(key) ?? 0) > 0) {
          if (options.isHeld) held.get(key)?.push(() => send(call));
          return;
        }
        if (isStream && weather.loss > 0 && random.chance(weather.loss)) return;
        let atMs = kernel.nowMs + delayMs();
        if (isStream && weather.reorder > 0 && random.chance(weather.reorder)) atMs += random.between(0, 100);
        else {
          atMs = Math.max(atMs, lastMs);
          lastMs = atMs;
        }
        to.receive(atMs, call);
        if (isStream && weather.duplicate > 0 && random.chance(weather.duplicate))
          to.receive(atMs + random.between(0, 50), call);
      }
      return { send };
    },
    publish(from, to, call) {
      if (closed.size > 0 && (closed.get(keyOf(from.name, to.name)) ?? 0) > 0) return;
      if (network.busLoss > 0 && random.chance(network.busLoss)) return;
      to.receive(kernel.nowMs + delayMs(), call);
    },
    isLossy: () => weather.loss > 0 || closed.size > 0,
    close(from, to) {
      const key = keyOf(from, to);
      closed.set(key, (closed.get(key) ?? 0) + 1);
      if (!held.has(key)) held.set(key, []);
    },
    open(from, to) {
      const key = keyOf(from, to);
      const left = (closed.get(key) ?? 0) - 1;
      if (left > 0) {
        closed.set(key, left);
        return;
      }
      closed.delete(key);
      const waiting = held.get(key) ?? [];
      held.delete(key);
      for (const send of waiting) send();
    },
  };
  return network;
}
