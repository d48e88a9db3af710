import { createHash, timingSafeEqual } from 'node:crypto';

/** What a request to the admin listener is allowed, before it is looked at what it wants. */
export type AdminAccess = 'granted' | 'wrong-host' | 'wrong-token';

export interface AdminHeaders {
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
  readonly authorization?: string | undefined;
}

/**
 * A page in somebody's browser can reach loopback by a name that it has resolve to 127.0.0.1, but then the Host header has
 * that name; and no command line tool sends an Origin.
 * @param isTcp a unix socket has no name, so Host says nothing there.
 */
export function createAdminAccess(token: string, isTcp: boolean): (headers: AdminHeaders) => AdminAccess {
  const expected = digest(token);
  return ({ host, origin, authorization }) => {
    if (origin !== undefined || (isTcp && !isLoopbackName(host))) return 'wrong-host';
    const given = /^bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
    // Digests: equally long whatever was sent, as timingSafeEqual wants.
    return given !== undefined && timingSafeEqual(digest(given), expected) ? 'granted' : 'wrong-token';
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function isLoopbackName(host: string | undefined): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i.test(host ?? '');
}
