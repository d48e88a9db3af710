/** Certificates from files: read and checked at the start, read again when they change. */
import { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { keysOf, rejectUnknown, requireObject } from '../config/keys.js';
import type { Logger } from '../config/options.js';
import { readSmallFile } from '../config/small-file.js';
import { invalid } from '../config/values.js';
import { InferenceHealthError } from '../errors.js';
import { watchFiles } from './watched-files.js';

/** Paths of PEM files. Changed files are taken over within seconds, for new connections. */
export interface ServerTls {
  /** Certificate, with those between it and its authority. */
  readonly cert: string;
  /** Its private key, not encrypted. */
  readonly key: string;
  /** Authority whose certificate a client has to show; without, clients need none. */
  readonly ca?: string;
}

/** Paths of PEM files. */
export interface ClientTls {
  /** Authority of the servers. Default: those that Node trusts. */
  readonly ca?: string;
  /** Certificate to show, together with `key`. */
  readonly cert?: string;
  readonly key?: string;
}

export interface TlsFiles {
  readonly context: SecureContextOptions;
  close(): void;
}

const KEYS = keysOf<ClientTls>({ cert: true, key: true, ca: true });

/**
 * @param changed told of the new contents; not of ones that are no certificate and key: those before stay
 * @throws InferenceHealthError ERR_CONFIG_INVALID that names option and file
 */
export function openTlsFiles(
  where: string,
  files: ClientTls,
  changed: (context: SecureContextOptions) => void,
  logger?: Logger,
  everyMs?: number,
): TlsFiles {
  requireObject(`option ${where}`, files, 'an object of paths');
  rejectUnknown(`option ${where}`, files, KEYS);
  for (const [key, path] of Object.entries(files))
    if (typeof path !== 'string' || path === '') throw invalid(`option ${where}.${key}`, 'a path', path);
  if ((files.cert === undefined) !== (files.key === undefined))
    throw invalid(`option ${where}`, 'cert and key together', files.cert === undefined ? 'key' : 'cert');
  let context = read(where, files);
  warnOfEnd(context, where, logger);
  const watch = watchFiles(
    [files.cert, files.key, files.ca].filter((path) => path !== undefined),
    () => {
      try {
        context = read(where, files);
      } catch (error) {
        logger?.error({ error: (error as Error).message }, 'certificates not reloaded: those before stay');
        return;
      }
      logger?.info({ option: where }, 'certificates reloaded');
      warnOfEnd(context, where, logger);
      changed(context);
    },
    everyMs,
  );
  return {
    get context() {
      return context;
    },
    close: () => watch.close(),
  };
}

function read(where: string, files: ClientTls): SecureContextOptions {
  const context: SecureContextOptions = {};
  for (const name of ['cert', 'key', 'ca'] as const) {
    const path = files[name];
    if (path !== undefined) context[name] = readSmallFile(`option ${where}.${name}`, path);
  }
  try {
    // OpenSSL takes anything for a list of authorities, an empty one too.
    if (context.ca !== undefined) new X509Certificate(context.ca as string);
    createSecureContext(context);
  } catch (error) {
    const { message } = error as Error;
    throw new InferenceHealthError(
      'ERR_CONFIG_INVALID',
      `option ${where}: expected PEM files, the key that of the certificate, received ${Object.values(files).join(', ')} (${message})`,
    );
  }
  return context;
}

const SOON_MS = 7 * 24 * 3600 * 1000;

function warnOfEnd({ cert }: SecureContextOptions, where: string, logger?: Logger): void {
  if (cert === undefined) return;
  const { validTo } = new X509Certificate(cert as string);
  const leftMs = Date.parse(validTo) - Date.now();
  if (leftMs < SOON_MS)
    logger?.warn(
      { option: where, validTo },
      leftMs < 0 ? 'the certificate has expired' : 'the certificate ends soon',
    );
}
