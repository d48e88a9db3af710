import { readFileSync } from 'node:fs';
import type { Nats, NatsConnectOptions } from './load-nats.js';
import type { NatsAuth, NatsSettings } from './settings.js';

/** A dead server is found after two pings without an answer; the client's default is two minutes each. */
const PING_MS = 1000;
const PINGS_OUT = 2;
const CONNECT_MS = 2000;

/** Of one try: several servers are tried once each, in any order. Files are read anew, so that they may change. */
export function connectOptions(nats: Nats, settings: NatsSettings, name: string): NatsConnectOptions {
  const { servers, auth, tlsCa, tlsInsecure } = settings;
  const isTls = tlsCa !== null || tlsInsecure || servers.some((server) => server.startsWith('tls:'));
  return {
    servers: [...servers],
    name,
    timeout: CONNECT_MS,
    pingInterval: PING_MS,
    maxPingOut: PINGS_OUT,
    reconnect: false,
    maxReconnectAttempts: 0,
    ignoreClusterUpdates: true,
    noEcho: true,
    ...authOf(nats, auth),
    ...(isTls
      ? {
          tls: {
            ...(tlsCa === null ? {} : { ca: readFileSync(tlsCa, 'utf8') }),
            ...(tlsInsecure ? { rejectUnauthorized: false } : {}),
          },
        }
      : {}),
  };
}

function authOf(
  nats: Nats,
  auth: NatsAuth,
): Pick<NatsConnectOptions, 'user' | 'pass' | 'token' | 'authenticator'> {
  switch (auth.kind) {
    case 'none':
      return {};
    case 'user':
      return { user: auth.user, pass: auth.password };
    case 'token':
      return { token: auth.token };
    case 'nkey':
      return { authenticator: nats.nkeyAuthenticator(new TextEncoder().encode(auth.seed)) };
    case 'credentials':
      return { authenticator: nats.credsAuthenticator(readFileSync(auth.file)) };
  }
}
