import type { EventEmitter } from 'node:events';
import type { LoadControl } from '../admission/load-control.js';
import type { AdmitOptions, Permit } from '../admission/permit.js';
import type { BoundListener } from '../probe/server.js';
import type { ShareToken } from '../requests/share.js';
import type { RequestHandle } from '../requests/tracker.js';
import type { CheckFunction, CheckHandle, CheckOptions } from './checks.js';
import type { Claim, ComponentHandle, EngineClaim, Hold } from './claims.js';
import type { Closable } from './closable.js';
import type { HealthEvents, HealthStatus } from './emitter.js';
import type { GpuControl } from './gpu-control.js';
import type { HandlerOptions, HealthHandler } from './handler.js';
import type { EndpointHandle } from './serve.js';
import type { ShutdownHook, ShutdownHookHandle, ShutdownHookOptions } from './shutdown-hooks.js';

/** A running health service; `startHealth` makes it. */
export interface Health extends Pick<EventEmitter<HealthEvents>, 'on' | 'once' | 'off'> {
  /** Addresses that answer, in the order of the configuration; port 0 shows the port that was taken. */
  readonly listeners: readonly BoundListener[];
  /** Where the admin listener answers; null without the option `admin`. */
  readonly adminListener: BoundListener | null;
  /** HTTP engine of the probe thread. */
  readonly httpEngine: 'uws' | 'http';
  /** Whether the C++ addon observes the host and the loop; false: the JavaScript fallback does. */
  readonly native: boolean;
  readonly model: Claim;
  readonly engine: EngineClaim;
  /** A component of the application's own. Throws ERR_CONFIG_INVALID for names that the library observes itself. */
  component(name: string): ComponentHandle;
  /** Runs `fn` regularly and reports its result as the component `name`. */
  check(name: string, fn: CheckFunction, options?: CheckOptions): CheckHandle;
  /** An endpoint that must be ready for the process to be ready; it is not until `ready()`. */
  endpoint(name: string): EndpointHandle;
  /** Holds readiness back until released; reason code `hold.<name>`. */
  hold(name: string): Hold;
  readonly gpu: GpuControl;
  readonly requests: {
    /** Counts a request as in flight until its handle ends. */
    begin(): RequestHandle;
  };
  /**
   * Waits for a place among `limits.maxConcurrent` requests; without limits it gives one at once. Release the permit when
   * the request has ended: `using permit = await health.admit({ signal })`. For any framework; what `serve()` answers is
   * admitted there.
   * @throws RejectionError ERR_OVERLOADED, ERR_DRAINING or ERR_DEADLINE with `statusCode` and `retryAfterSeconds`;
   * InferenceHealthError ERR_CANCELLED when the signal aborts in the queue (all as rejections)
   */
  admit(options?: AdmitOptions): Promise<Permit>;
  readonly load: LoadControl;
  /** Readiness turns 503 and the phase `draining`; resolves when no request is in flight. */
  drain(): Promise<void>;
  /** Takes `drain()` back; also a shutdown that has begun, until its clean-up hooks run. */
  resume(): void;
  /**
   * Registers what is to be cleaned up before the process exits by a signal, a failure or the admin listener: a function, a
   * child process, a server or anything disposable. Hooks run one after the other in the order of their registration, when
   * no request is in flight any more, each for at most `timeoutMs` (default `shutdown.hookTimeoutMs`, 5000). One that
   * fails is logged and the next one runs; one that runs out of time makes the exit code 75.
   * @throws InferenceHealthError ERR_CONFIG_INVALID for a bad or taken name, ERR_CLOSED after `close()`
   */
  onShutdown(name: string, what: ShutdownHook | Closable, options?: ShutdownHookOptions): ShutdownHookHandle;
  /** Plain data that lets another thread count requests with `attachHealth`. */
  share(): ShareToken;
  /** Health on the application's own HTTP port. */
  handler(options?: HandlerOptions): HealthHandler;
  /** The status as this thread knows it. */
  status(): HealthStatus;
  /** Stops answering probes and ends every thread. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
