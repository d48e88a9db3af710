import { networkInterfaces } from 'node:os';
import { invalid } from '../config/values.js';

const WILDCARDS = ['0.0.0.0', '[::]'];

/**
 * The URL under which a worker is registered.
 * @param url where it listens
 * @throws InferenceHealthError ERR_CONFIG_INVALID
 */
export function advertisedUrl(
  url: string,
  { backend, advertise }: { readonly backend: 'memory' | 'etcd'; readonly advertise: string | null },
): string {
  const listening = new URL(url);
  if (advertise !== null) return givenUrl('advertise', listening, advertise);
  if (!WILDCARDS.includes(listening.hostname)) return listening.origin;
  const host = backend === 'memory' ? '127.0.0.1' : (ownAddress() ?? '127.0.0.1');
  return `${listening.protocol}//${host}:${listening.port}`;
}

/** Before a model is loaded. @throws InferenceHealthError ERR_CONFIG_INVALID */
export function checkAdvertise(where: string, advertise: string): void {
  givenUrl(where, new URL('http://localhost'), advertise);
}

function givenUrl(where: string, { protocol, port }: URL, advertise: string): string {
  const expected = 'http://host:port, host:port or host';
  try {
    const given = new URL(advertise.includes('://') ? advertise : `${protocol}//${advertise}`);
    const isRight = /^https?:$/.test(given.protocol) && given.pathname === '/' && given.username === '';
    if (!isRight || WILDCARDS.includes(given.hostname)) throw invalid(where, expected, advertise);
    // A URL that was given whole means its port, even where that is the protocol's own.
    const isWhole = advertise.includes('://') || given.port !== '';
    return isWhole ? given.origin : `${given.protocol}//${given.hostname}:${port}`;
  } catch (error) {
    if (error instanceof TypeError) throw invalid(where, expected, advertise);
    throw error;
  }
}

/** The first address that is not the machine's own loop. */
function ownAddress(): string | null {
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const found = all.find(({ family, internal }) => family === 'IPv4' && !internal);
  return found?.address ?? null;
}
