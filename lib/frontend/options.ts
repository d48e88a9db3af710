import type { Logger } from '../config/options.js';
import type { FrontendHealthMode } from '../dialects/dynamo-frontend.js';
import type { DiscoveryOptions } from '../discovery/options.js';
import type { EventsView, NatsOptions } from '../events/options.js';
import type { Thresholds } from '../fleet/admission/thresholds.js';
import type { MigrationLimits } from '../fleet/migrator-types.js';
import type { Health } from '../lifecycle/health.js';
import type { ClientTls, ServerTls } from '../wire/tls-files.js';
import type { FrontendAdmission } from './admission-options.js';
import type { MemberView } from './member-view.js';
import type { FrontendPaths } from './paths.js';

export interface FrontendOptions {
  /** `http://host:port` or `https://host:port` of workers that are there whatever discovery says. Default: none. */
  readonly workers?: readonly string[];
  /**
   * Where workers are found. Default: as `DYN_DISCOVERY_BACKEND` says, else those of this machine; off where `workers` are
   * given and nobody asks for it. False: off.
   */
  readonly discovery?: DiscoveryOptions | false;
  /** Port of the API, 0: any. Default 8000. */
  readonly port?: number;
  /** Default 127.0.0.1: without `apiToken` whoever reaches the API may use it. */
  readonly host?: string;
  /** Certificate of the API; without, it speaks plain HTTP. See docs/security.md. */
  readonly tls?: ServerTls;
  /** Tokens (or a file with one a line) of which a client has to show one. Default: none is asked for. */
  readonly apiToken?: string | readonly string[];
  readonly apiTokenFile?: string;
  /** What workers ask for; of several the first is shown. Default: INFERENCE_HEALTH_FLEET_TOKEN. */
  readonly token?: string | readonly string[];
  readonly tokenFile?: string;
  /** Whom to trust at `https://` workers, and what to show them. */
  readonly workerTls?: ClientTls;
  /** NATS, over which workers report too; false: not even where NATS_SERVER is set. See docs/events.md. */
  readonly events?: NatsOptions | false;
  /**
   * With NATS. `both` (default): a connection to each worker brings the same beacons. `nats`: that connection is given up as
   * long as NATS brings them, for fleets of thousands.
   */
  readonly beacons?: 'both' | 'nats';
  /** Limits of migration; `migrationLimit` 3 by default, 0 turns it off. See docs/migration.md. */
  readonly migration?: Partial<MigrationLimits>;
  /** Largest request body. Default 10 MiB. */
  readonly maxBodyBytes?: number;
  /** What `/health` answers; see docs/frontend.md. Default `documented`. */
  readonly healthMode?: FrontendHealthMode;
  /** Limits and queue in front of the workers, priorities and tenants. Default: no limit, so nobody waits. */
  readonly admission?: FrontendAdmission;
  /** Above them a worker gets nothing new; while all are, requests wait in the queue. Default: none. */
  readonly thresholds?: Partial<Thresholds>;
  /**
   * Bearer token that `/busy_threshold` asks for, at least 16 bytes of visible ASCII. Default: none, and no such route.
   */
  readonly adminToken?: string;
  /** Other paths than the documented ones. */
  readonly paths?: Partial<FrontendPaths>;
  /** HTTP status of a refusal for load, 400 to 599. Default 503. */
  readonly overloadStatus?: number;
  /** Of this process: requests are counted there, and its drain is the frontend's. Default: none. */
  readonly health?: Health;
  readonly logger?: Logger;
}

export interface DiscoveryStatus {
  readonly backend: 'memory' | 'etcd';
  /** Grows with each change of what is registered. */
  readonly version: number;
  /** False: the store does not answer, and what was known stays. */
  readonly isSynced: boolean;
  /** Since the store was last heard, milliseconds; Infinity: never. */
  readonly ageMs: number;
  readonly instances: number;
}

export interface Frontend {
  /** `http://host:port` of the API, `https` with `tls`. */
  readonly url: string;
  /** Requests that run or wait. */
  readonly inFlight: number;
  workers(): readonly MemberView[];
  /** How discovery is; null: off. */
  discovery(): DiscoveryStatus | null;
  /** The connection to NATS; null where there is to be none. */
  events(): EventsView | null;
  /** Streams that went on elsewhere, by why they had to. */
  migrations(): Readonly<Record<string, number>>;
  /** Refuses new requests (503 with Retry-After) and resolves when the last running one has ended. */
  drain(): Promise<void>;
  /** Takes a drain back. */
  resume(): void;
  /** Ends at once; requests in flight get an error. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
