/** What a worker's connection to NATS has done, where the probe thread can read it. The main thread alone writes. */
import type { EventsInput } from './input.js';

const SLOTS = { isThere: 0, isConnected: 1, reconnects: 2, sent: 3, dropped: 4 } as const;

export function createEventsBlock(): SharedArrayBuffer {
  return new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT * Object.keys(SLOTS).length);
}

export function writeEvents(block: SharedArrayBuffer, figures: EventsInput): void {
  const { isConnected, reconnects, sent, dropped } = figures;
  new Float64Array(block).set([1, Number(isConnected), reconnects, sent, dropped]);
}

/** Null: there is to be no connection. */
export function readEvents(block: SharedArrayBuffer): EventsInput | null {
  const slots = new Float64Array(block);
  const slot = (name: keyof typeof SLOTS): number => slots[SLOTS[name]] ?? Number.NaN;
  if (slot('isThere') === 0) return null;
  return {
    isConnected: slot('isConnected') === 1,
    reconnects: slot('reconnects'),
    sent: slot('sent'),
    dropped: slot('dropped'),
  };
}
