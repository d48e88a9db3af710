/** Where NATS is, and who we are there. What is not given comes from Dynamo's variables, in brackets. */
export interface NatsOptions {
  /** `nats://host:port` or `tls://host:port`, several for a cluster [NATS_SERVER, separated by commas]. */
  readonly servers?: string | readonly string[];
  /** [NATS_AUTH_USERNAME, NATS_AUTH_PASSWORD] */
  readonly user?: string;
  readonly password?: string;
  /** [NATS_AUTH_TOKEN] */
  readonly token?: string;
  /** Seed of an nkey, `SU…` [NATS_AUTH_NKEY]. */
  readonly nkey?: string;
  /** Path of a `.creds` file, read at each connection [NATS_AUTH_CREDENTIALS_FILE]. */
  readonly credentialsFile?: string;
  /** Path of a PEM file: whom to trust [NATS_TLS_CA_CERT_PATH]. */
  readonly tlsCa?: string;
  /** Trusts any certificate: for trying out alone [NATS_TLS_INSECURE]. */
  readonly tlsInsecure?: boolean;
  /** Part of the fleet: of a worker its own, of a frontend those that it listens to. Default `dynamo` [DYN_NAMESPACE]. */
  readonly namespace?: string;
  /** Default `backend` for a worker, all for a frontend. */
  readonly component?: string;
}

/** How a worker or a frontend is connected to NATS. */
export interface EventsView {
  readonly isConnected: boolean;
  /** Connections after the first one. */
  readonly reconnects: number;
  /** Messages that were handed to the connection. */
  readonly sent: number;
  /** Messages that were not sent, since there was no connection; the next ones say the same and more. */
  readonly dropped: number;
  /** Messages of workers that were taken over. */
  readonly received: number;
  /** Messages that were not, by why. */
  readonly ignored: Readonly<Record<IgnoredReason, number>>;
}

export type IgnoredReason =
  /** Not JSON, or not a beacon with its number. */
  | 'malformed'
  /** Longer than any beacon. */
  | 'oversize'
  /** On the subject of another worker. */
  | 'mismatch'
  /** Of a worker, or a life of one, that this frontend has not met over HTTP. */
  | 'unknown'
  /** Not newer than what is known: repeated, late, or faster over HTTP. */
  | 'old';
