/** What a worker's address says of what answers there. */

/** Servers of others, by what their API can do; see docs/migration.md. */
export const FOREIGN_ENGINES = ['openai', 'vllm', 'sglang', 'llamacpp'] as const;
export type ForeignEngine = (typeof FOREIGN_ENGINES)[number];

export interface WorkerAddress {
  /** `http://host:port` or `https://host:port`, as `URL` writes it. */
  readonly origin: string;
  /** Null: a worker of this package. */
  readonly engine: ForeignEngine | null;
}

/** `http://host:port` of a worker, or `vllm+http://host:port` and the like of another server; null: none of these. */
export function parseWorkerUrl(url: string): WorkerAddress | null {
  const read = readWorkerUrl(url);
  return typeof read === 'string' ? null : read;
}

/**
 * The one way to write a worker's address: host in lower case, no default port, no slash at the end. Two spellings of one
 * worker would be two workers.
 * @returns the URL as it came where it is none
 */
export function normalWorkerUrl(url: string): string {
  const read = readWorkerUrl(url);
  if (typeof read === 'string') return url;
  return read.engine === null ? read.origin : `${read.engine}+${read.origin}`;
}

/** What an address must be that this one is not; null: nothing. */
export function workerUrlFault(url: unknown): string | null {
  const read = typeof url === 'string' ? readWorkerUrl(url) : FORM;
  return typeof read === 'string' ? read : null;
}

const FORM = 'URLs as http://host:port or https://host:port';

/** The address, or what it should have been. */
function readWorkerUrl(url: string): WorkerAddress | string {
  const [, prefix, scheme, rest = ''] = /^(?:([^:/+]*)\+)?([a-z]+):\/\/(.*)$/i.exec(url) ?? [];
  if (scheme === undefined) return `${FORM}, with the http:// or https://`;
  if (!/^https?$/i.test(scheme)) return `${FORM}, not ${scheme}://`;
  const engine = FOREIGN_ENGINES.find((name) => name === prefix?.toLowerCase()) ?? null;
  if (prefix !== undefined && engine === null)
    return `${FORM}, of other servers with ${FOREIGN_ENGINES.map((name) => `${name}+`).join(', ')} before it`;
  try {
    const { origin, pathname, search, hash, username, password } = new URL(`${scheme}://${rest}`);
    if (username !== '' || password !== '') return `${FORM}, without a user name or password`;
    if (pathname !== '/' || search !== '' || hash !== '')
      return `${FORM}, without the ${pathname === '/' ? '' : pathname}${search}${hash} behind it`;
    return { origin, engine };
  } catch {
    return `${FORM}, with a host and a port from 0 to 65535`;
  }
}

/** Whether a chat can go on in the middle of its last message: `continue_final_message`, without `add_generation_prompt`. */
export const continuesFinalMessage = (engine: ForeignEngine): boolean => engine !== 'openai';

/** Whether it tells token ids on request (`return_token_ids`) and takes them as a prompt. */
export const speaksTokenIds = (engine: ForeignEngine): boolean => engine === 'vllm';
