export interface EtcdOptions {
  /** `http://host:port` or `https://host:port` of each member. Default `http://localhost:2379`. */
  readonly endpoints?: readonly string[];
  /** How long a worker that has crashed stays registered, milliseconds. Default 10 000. */
  readonly leaseTtlMs?: number;
  /** An engine that has work and makes no step for so long is not kept registered, milliseconds. Default 30 000. */
  readonly hangMs?: number;
  /** For each call. Default 2000. */
  readonly callTimeoutMs?: number;
  readonly username?: string;
  readonly password?: string;
  /** Certificate of the authority that signed the members', PEM or the path of a file. */
  readonly ca?: string;
  /** Client certificate and its key, PEM or paths of files. */
  readonly cert?: string;
  readonly key?: string;
}

export interface DiscoveryOptions {
  /** `memory` (or `mem`): one machine, no daemon. Default `memory`, or `etcd` where its endpoints are given. */
  readonly backend?: 'memory' | 'mem' | 'etcd';
  /** The endpoint that a worker serves and a frontend routes to. Default `dynamo`, `backend`, `generate`. */
  readonly namespace?: string;
  readonly component?: string;
  readonly endpoint?: string;
  /** Run directory of `memory`. Default `$XDG_RUNTIME_DIR/inference-health`, else `/tmp/inference-health-UID`. */
  readonly directory?: string;
  readonly etcd?: EtcdOptions;
  /** Of a worker: registers under Dynamo's keys too. Its routers then see a transport that they do not know. Default false. */
  readonly dynamoRegister?: boolean;
  /** Of a worker: `http://host:port`, `host:port` or `host` under which frontends reach it. Default: where it listens. */
  readonly advertise?: string;
}
