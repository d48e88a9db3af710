import type { NativeAddon } from './addon.js';
import { HOST, HOST_FIELDS } from './layout.js';

export type HostField = (typeof HOST_FIELDS)[number];

/** Reads the section `host` into one array that is reused: a copy of 68 numbers, no allocation. */
export interface HostSnapshot {
  /** The slots, in the order of `HOST_FIELDS`; NaN = absent. */
  readonly slots: Float64Array;
  /** Takes over the newest sample; its version, 0 = there is none yet. */
  refresh(): number;
  /** One value of the sample last taken over; NaN = absent, see the group's `…Reason`. */
  get(field: HostField): number;
  /** The present fields by name, for output and debugging. */
  toObject(): { readonly [Field in HostField]?: number };
}

export function createHostSnapshot(addon: Pick<NativeAddon, 'read'>): HostSnapshot {
  const slots = new Float64Array(HOST_FIELDS.length).fill(Number.NaN);
  const get = (field: HostField): number => slots[HOST[field]] ?? Number.NaN;
  return {
    slots,
    refresh: () => addon.read('host', slots),
    get,
    toObject() {
      const present = HOST_FIELDS.filter((field) => !Number.isNaN(get(field)));
      return Object.fromEntries(present.map((field) => [field, get(field)]));
    },
  };
}

/** The newest sample; for callers that read once. Null: there is none yet. */
export function readHost(addon: Pick<NativeAddon, 'read'>): HostSnapshot | null {
  const snapshot = createHostSnapshot(addon);
  return snapshot.refresh() > 0 ? snapshot : null;
}
