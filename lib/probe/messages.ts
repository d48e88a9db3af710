import type { MessagePort } from 'node:worker_threads';
import type { Config } from '../config/options.js';
import type { BuildInfo, FrontendView, StallView } from '../dialects/view.js';
import type { EngineCounter } from '../engine/monitor.js';
import type { GpuEvent } from '../gpu/policy.js';
import type { StatusEvent } from '../status/events.js';
import type { State } from '../status/types.js';
import type { AdminCommand, AdminResult } from './admin-commands.js';
import type { BoundListener, ListenFailure } from './server.js';

/** Given to the probe thread at its start; everything else travels as messages. */
export interface ProbeThreadData {
  readonly config: Config;
  readonly build: BuildInfo;
  readonly state: State;
  readonly loop: number;
  /** Written by a timer of the main thread; only without the addon. */
  readonly heartbeat: SharedArrayBuffer | null;
  /** Whether the agent thread may look into the main thread with the inspector. */
  readonly mayInspect: boolean;
  /** A debugger may be what stops the main thread. */
  readonly isDebugged: boolean;
  /** Highest id among the events that `state` already contains. */
  readonly lastEventId: number;
  /** Request counters. */
  readonly requests: SharedArrayBuffer;
  /** Admission counts and reported load. */
  readonly load: SharedArrayBuffer;
  /** A worker's connection to NATS. */
  readonly events: SharedArrayBuffer;
  /** Probe counters, kept across replacements of the thread. */
  readonly probes: SharedArrayBuffer;
  /** What the main thread knows about the engine. */
  readonly board: SharedArrayBuffer;
  readonly counters: readonly EngineCounter[];
  readonly frontend: FrontendView | null;
  /** See {@link CONTROL}. */
  readonly control: SharedArrayBuffer;
  readonly replacements: number;
  /** Log findings straight to standard error, because the main thread may not turn. */
  readonly logToStderr: boolean;
}

/** Int32 slots of the control buffer. */
export const CONTROL = { closed: 0 } as const;
export const CONTROL_SLOTS = 1;

export type ToProbe =
  | { readonly type: 'event'; readonly id: number; readonly event: StatusEvent }
  | { readonly type: 'gpu'; readonly event: GpuEvent }
  | { readonly type: 'frontend'; readonly frontend: FrontendView }
  | ({ readonly type: 'engine-counter' } & EngineCounter)
  | { readonly type: 'scrape'; readonly id: number }
  | { readonly type: 'admin-done'; readonly id: number; readonly result: AdminResult }
  | { readonly type: 'close' };

export type FromProbe =
  | {
      readonly type: 'listening';
      readonly listeners: readonly BoundListener[];
      readonly engine: 'uws' | 'http';
      readonly note: string;
      readonly admin: BoundListener | null;
    }
  | { readonly type: 'admin'; readonly id: number; readonly command: AdminCommand }
  | { readonly type: 'failed'; readonly failure: ListenFailure }
  /** The state after a change that a person would notice, with the last event of the main thread that it contains. */
  | { readonly type: 'state'; readonly state: State; readonly lastEventId: number }
  | { readonly type: 'stall'; readonly stall: StallView }
  /** Far end of the port for the application's metrics. */
  | { readonly type: 'metrics-port'; readonly port: MessagePort }
  | { readonly type: 'metrics'; readonly id: number; readonly body: Uint8Array | null }
  | {
      readonly type: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly fields: object;
      readonly message: string;
    };
