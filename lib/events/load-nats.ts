import { InferenceHealthError } from '../errors.js';

/** What is used of `@nats-io/transport-node`; its own types cannot be read with the module resolution of CommonJS. */
export interface Nats {
  connect(options: NatsConnectOptions): Promise<NatsConnection>;
  nkeyAuthenticator(seed: Uint8Array): unknown;
  credsAuthenticator(credentials: Uint8Array): unknown;
}

export interface NatsConnectOptions {
  readonly servers: string[];
  readonly name: string;
  readonly timeout: number;
  readonly pingInterval: number;
  readonly maxPingOut: number;
  readonly reconnect: boolean;
  readonly maxReconnectAttempts: number;
  readonly ignoreClusterUpdates: boolean;
  readonly noEcho: boolean;
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  readonly authenticator?: unknown;
  readonly tls?: { readonly ca?: string; readonly rejectUnauthorized?: boolean };
}

export interface NatsConnection {
  getServer(): string;
  isClosed(): boolean;
  publish(subject: string, payload: string): void;
  subscribe(
    subject: string,
    options: {
      callback(error: Error | null, message: { readonly subject: string; readonly data: Uint8Array }): void;
    },
  ): unknown;
  status(): AsyncIterable<{ readonly type: string; readonly error?: Error }>;
  flush(): Promise<void>;
  close(): Promise<void>;
  /** Resolves when it is over, with why. */
  closed(): Promise<Error | undefined>;
}

/**
 * The client, loaded only where NATS is asked for: that takes some tens of milliseconds.
 * @throws InferenceHealthError ERR_CONFIG_INVALID that says how to install it
 */
export async function loadNats(): Promise<Nats> {
  try {
    return (await import('@nats-io/transport-node')) as unknown as Nats;
  } catch (cause) {
    throw new InferenceHealthError(
      'ERR_CONFIG_INVALID',
      'NATS is asked for (NATS_SERVER or the option events), but its client is not installed: npm install @nats-io/transport-node@3.3',
      { cause },
    );
  }
}
