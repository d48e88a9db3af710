/** etcd through the package `etcd3`: a deadline on every call, another member after a failure, no retries behind our back. */
import type {
  Etcd3,
  IKeyValue,
  IOptions,
  IRangeRequest,
  IRangeResponse,
  ITxnRequest,
  ITxnResponse,
  IWatchResponse,
} from 'etcd3';
import { InferenceHealthError } from '../../errors.js';
import type { EtcdSettings } from '../settings.js';

export type { IKeyValue, IWatchResponse } from 'etcd3';

export interface EtcdClient {
  range(request: IRangeRequest): Promise<IRangeResponse>;
  txn(request: ITxnRequest): Promise<ITxnResponse>;
  grant(ttlMs: number): Promise<{ readonly lease: string; readonly ttlMs: number }>;
  /** @returns what is left of the lease, milliseconds; 0: the store does not know it */
  keep(lease: string): Promise<number>;
  revoke(lease: string): Promise<void>;
  /** Streams what happens to a range from a revision on, until `close`; `lost` is called once at most. */
  watch(
    range: Pick<IRangeRequest, 'key' | 'range_end'>,
    revision: number,
    on: { response(response: IWatchResponse): void; lost(error: Error): void },
  ): { close(): void };
  /** Whether a call failed because the store does not know its lease. */
  isLeaseGone(error: unknown): boolean;
  close(): void;
}

/** @throws InferenceHealthError ERR_CONFIG_INVALID */
export function requireEtcd3(): void {
  try {
    require.resolve('etcd3');
  } catch (cause) {
    throw new InferenceHealthError(
      'ERR_CONFIG_INVALID',
      'discovery with etcd needs the package etcd3: npm install etcd3',
      { cause },
    );
  }
}

/** Members answer pings at most every 5 s by default, and close connections on which more come. */
const PING_MS = 10_000;
const PONG_MS = 5000;

/** The package takes more than 100 ms to load: where that matters, this is called on a thread of its own. */
export async function openEtcd(settings: EtcdSettings): Promise<EtcdClient> {
  const { Etcd3, isRecoverableError, EtcdLeaseInvalidError } = await import('etcd3');
  const { endpoints, callTimeoutMs, auth, tls } = settings;
  const deadline = (): number => Date.now() + callTimeoutMs;

  /** One attempt at each member; who tries again, and when, is for the machines to say. */
  const eachMember = {
    async execute<T>(call: (context: object) => Promise<T>): Promise<T> {
      for (let left = endpoints.length; ; left -= 1) {
        try {
          return await call({});
        } catch (error) {
          if (left <= 1 || !isRecoverableError(error as Error)) throw error;
        }
      }
    },
  };
  const once = { execute: async <T>(call: (context: object) => Promise<T>): Promise<T> => call({}) };

  const client: Etcd3 = new Etcd3({
    hosts: [...endpoints],
    defaultCallOptions: (context) => (context.isStream ? {} : { deadline: deadline() }),
    grpcOptions: {
      'grpc.keepalive_time_ms': PING_MS,
      'grpc.keepalive_timeout_ms': PONG_MS,
      'grpc.keepalive_permit_without_calls': 0,
      // The default goes up to two minutes after an outage.
      'grpc.initial_reconnect_backoff_ms': 250,
      'grpc.max_reconnect_backoff_ms': 1000,
      'grpc.max_receive_message_length': -1,
      'grpc.enable_http_proxy': 0,
    },
    ...(auth === null ? {} : { auth }),
    ...(tls === null ? {} : { credentials: credentialsOf(tls) }),
    faultHandling: { host: () => once, global: eachMember } as unknown as NonNullable<
      IOptions['faultHandling']
    >,
  });

  return {
    range: (request) => client.kv.range(request),
    txn: (request) => client.kv.txn(request),
    async grant(ttlMs) {
      const { ID, TTL } = await client.leaseClient.leaseGrant({ TTL: Math.ceil(ttlMs / 1000), ID: 0 });
      return { lease: ID, ttlMs: Number(TTL) * 1000 };
    },
    async keep(lease) {
      const stream = await client.leaseClient.leaseKeepAlive({ deadline: deadline() });
      return new Promise<number>((resolve, reject) => {
        stream.on('error', reject);
        stream.on('end', () => reject(new Error('the store ended the call without an answer')));
        stream.on('data', ({ TTL }) => {
          resolve(Number(TTL) * 1000);
          stream.end();
        });
        stream.write({ ID: lease });
      });
    },
    async revoke(lease) {
      try {
        await client.leaseClient.leaseRevoke({ ID: lease });
      } catch (error) {
        if (!(error instanceof EtcdLeaseInvalidError)) throw error;
      }
    },
    watch(range, revision, on) {
      let isClosed = false;
      let end = (): void => undefined;
      const lose = (error: Error): void => {
        if (isClosed) return;
        close();
        on.lost(error);
      };
      const close = (): void => {
        isClosed = true;
        end();
      };
      client.watchClient.watch().then((stream) => {
        end = () => {
          // In this order: a stream that is cancelled while it can be written to counts as a failure of the member.
          stream.end();
          stream.cancel();
        };
        stream.on('error', lose);
        stream.on('end', () => lose(new Error('the store ended the watch')));
        if (isClosed) {
          end();
          return;
        }
        stream.on('data', (response) => {
          if (!isClosed) on.response(response);
        });
        stream.write({ create_request: { ...range, start_revision: String(revision) } });
      }, lose);
      return { close };
    },
    isLeaseGone: (error) => error instanceof EtcdLeaseInvalidError,
    close: () => client.close(),
  };
}

function credentialsOf({
  ca,
  cert,
  key,
}: NonNullable<EtcdSettings['tls']>): NonNullable<IOptions['credentials']> {
  return {
    rootCertificate: Buffer.from(ca),
    ...(cert === null || key === null ? {} : { certChain: Buffer.from(cert), privateKey: Buffer.from(key) }),
  };
}

/** The end of the range of all keys that begin with `prefix`. */
export function prefixRange(prefix: string): { readonly key: Buffer; readonly range_end: Buffer } {
  const end = Buffer.from(prefix);
  end[end.length - 1] = (end[end.length - 1] ?? 0) + 1;
  return { key: Buffer.from(prefix), range_end: end };
}

export const textOf = ({ value }: IKeyValue): string => value.toString();
