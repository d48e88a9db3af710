import { isIP } from 'node:net';
import { listenFailure } from './listen-failure.js';
import type { ListenFailure, ListenTarget } from './server.js';

/**
 * The addresses to try, in order. The probe thread resolves no names: a lookup runs on libuv's pool, which an
 * inference addon may keep busy for minutes.
 */
export function listenHosts(target: ListenTarget & { kind: 'tcp' }): readonly string[] | ListenFailure {
  const { host, port } = target;
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    return listenFailure(target, 'ERR_CONFIG_INVALID', `expected \`port\` to be an integer from 0 to 65535.`);
  }
  // `::` takes IPv4 too; a machine without IPv6 refuses it, and then 0.0.0.0 is all there is.
  if (host === null) return ['::', '0.0.0.0'];
  if (host === 'localhost') return ['127.0.0.1'];
  if (isIP(host) !== 0) return [host];
  const hint = host.startsWith('[') ? ' without brackets' : '';
  return listenFailure(
    target,
    'ERR_HOST_INVALID',
    `expected \`host\` to be an IP address${hint}, 'localhost' or null (all interfaces), since names are not resolved on the probe thread.`,
  );
}

/** Whether `errno` says that the machine lacks the address family of `::`, so that the next address is worth a try. */
export function lacksAddressFamily(errno: string | undefined): boolean {
  return errno === 'EAFNOSUPPORT' || errno === 'EADDRNOTAVAIL' || errno === 'EINVAL';
}
