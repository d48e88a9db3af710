import { isLoopback } from './listeners.js';
import { readSmallFile } from './small-file.js';
import { type Get, integer, type OptionSpec } from './spec.js';
import { invalid } from './values.js';

/** The listener that takes commands (drain, resume); off until `port` or `path` is given. See `docs/shutdown.md`. */
export interface AdminOptions {
  /** TCP port, 0 to 65535; 0 takes any free one. */
  port?: number;
  /** A loopback address. Default 127.0.0.1. */
  host?: string;
  /** Path of a unix socket, instead of `port` and `host`. */
  path?: string;
  /** Bearer token, at least 16 bytes; or `tokenFile`. Asked for on loopback too, since the containers of a pod share it. */
  token?: string;
  /** Path of a file with the token; white space around it does not count. */
  tokenFile?: string;
}

export type AdminConfig = { readonly token: string } & (
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string; readonly mode: number }
);

export const ADMIN_SPECS: readonly OptionSpec[] = [
  {
    name: 'admin.port',
    kind: integer(0, 65535),
    fallback: null,
    meaning: 'TCP port of the admin listener; unset, and no path: there is none',
  },
  {
    name: 'admin.host',
    kind: { type: 'string' },
    fallback: '127.0.0.1',
    meaning: 'loopback address of the admin listener',
  },
  {
    name: 'admin.path',
    kind: { type: 'string' },
    fallback: null,
    meaning: 'unix socket of the admin listener, instead of port and host',
  },
  {
    name: 'admin.token',
    kind: { type: 'string' },
    fallback: null,
    meaning: 'bearer token that the admin listener asks for, at least 16 bytes',
    isNoFlag: true,
  },
  {
    name: 'admin.tokenFile',
    kind: { type: 'string' },
    fallback: null,
    meaning: 'file with that token',
  },
];

const MIN_TOKEN_BYTES = 16;
const MODE = 0o600;

/** Null where no admin listener is asked for. Throws ERR_CONFIG_INVALID without a token, or for an address that others reach. */
export function adminOf(get: Get): AdminConfig | null {
  const port = get<number | null>('admin.port');
  const path = get<string | null>('admin.path');
  if (port === null && path === null) return null;
  if (port !== null && path !== null)
    throw invalid('option admin', 'either path or port and host', { port, path });
  const token = adminTokenOf(get);
  if (path !== null) return Object.freeze({ kind: 'unix', path, mode: MODE, token });
  const host = get<string>('admin.host');
  if (!isLoopback(host)) throw invalid('option admin.host', 'a loopback address', host);
  return Object.freeze({ kind: 'tcp', host, port: port as number, token });
}

/** @throws InferenceHealthError ERR_CONFIG_INVALID unless exactly one of token and file is given */
export function adminTokenOf(get: Get): string {
  const given = get<string | null>('admin.token');
  const file = get<string | null>('admin.tokenFile');
  if ((given === null) === (file === null))
    throw invalid('option admin', 'either token or tokenFile', given === null ? 'neither' : 'both');
  const token = file === null ? (given as string) : readSmallFile('option admin.tokenFile', file).trim();
  return requireToken(`option admin.${file === null ? 'token' : 'tokenFile'}`, token);
}

/** @throws InferenceHealthError ERR_CONFIG_INVALID for a token that is too short or could not be sent in a header */
export function requireToken(where: string, token: string): string {
  const bytes = Buffer.byteLength(token);
  // The value itself must not get into a message.
  if (bytes < MIN_TOKEN_BYTES || /[^\x21-\x7e]/.test(token))
    throw invalid(where, `a token of at least ${MIN_TOKEN_BYTES} bytes, visible ASCII`, `${bytes} bytes`);
  return token;
}
