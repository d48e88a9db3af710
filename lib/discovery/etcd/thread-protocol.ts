import type { LeaseStatus } from '../../fleet/lease-keeper.js';
import type { EtcdSettings } from '../settings.js';
import type { StoredRecord } from './lease-store.js';

/** At most so many registrations a process. */
export const MAX_REGISTRATIONS = 64;

export interface ThreadData {
  readonly settings: EtcdSettings;
  /** A counter a registration: it moves while the engine does, or has nothing to do. */
  readonly progress: SharedArrayBuffer;
}

export type ThreadRequest =
  | {
      readonly kind: 'register';
      readonly id: number;
      readonly records: readonly StoredRecord[];
      readonly incarnation: string;
    }
  | { readonly kind: 'records'; readonly id: number; readonly records: readonly StoredRecord[] }
  | { readonly kind: 'stop'; readonly id: number };

export type ThreadReply =
  | { readonly kind: 'status'; readonly id: number; readonly status: LeaseStatus }
  | { readonly kind: 'log'; readonly fields: object; readonly message: string }
  | { readonly kind: 'stopped'; readonly id: number };
