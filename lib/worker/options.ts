import type { HealthOptions, Logger } from '../config/options.js';
import type { DiscoveryOptions } from '../discovery/options.js';
import type { EventsView, NatsOptions } from '../events/options.js';
import type { Health } from '../lifecycle/health.js';
import type { ServerTls } from '../wire/tls-files.js';
import type { Engine } from './engine.js';

export interface WorkerOptions {
  /** Or what makes it, with the health of the process: probes answer while it loads. */
  readonly engine: Engine | ((health: Health) => Promise<Engine>);
  /** Port of the API, 0: any. Default 8000. */
  readonly port?: number;
  /** Default 127.0.0.1: without `token` whoever reaches the API may use it. */
  readonly host?: string;
  /** Certificate of the API; without, it speaks plain HTTP. See docs/security.md. */
  readonly tls?: ServerTls;
  /** Tokens (or a file with one a line) of which every request has to show one. Default: INFERENCE_HEALTH_FLEET_TOKEN. */
  readonly token?: string | readonly string[];
  readonly tokenFile?: string;
  /** NATS, over which it reports too; false: not even where NATS_SERVER is set. See docs/events.md. */
  readonly events?: NatsOptions | false;
  /** Place in the fleet that survives restarts. Default: host and port, the host's name where it listens on all. */
  readonly name?: string;
  /** Largest request body. Default 10 MiB. */
  readonly maxBodyBytes?: number;
  /** Health of the worker, probes included. Default: what the environment says, else port 0 on 127.0.0.1; failures shut down, SIGTERM drains. */
  readonly health?: HealthOptions;
  /** Where it registers. Default: as `DYN_DISCOVERY_BACKEND` says, else on this machine. False: nowhere. */
  readonly discovery?: DiscoveryOptions | false;
  readonly logger?: Logger;
}

export interface Worker {
  readonly name: string;
  readonly incarnation: string;
  /** `http://host:port` of the API, `https` with `tls`. */
  readonly url: string;
  readonly health: Health;
  /** The connection to NATS; null where there is to be none. */
  events(): EventsView | null;
  /** Ends the API alone; requests in flight are cut. */
  closeApi(): Promise<void>;
  /** Ends API and health; requests in flight are cut. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
