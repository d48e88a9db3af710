/** What a worker's address says of what answers there. */

/** Servers of others, by what their API can do; see docs/migration.md. */
export const FOREIGN_ENGINES = ['openai', 'vllm', 'sglang', 'llamacpp'] as const;
export type ForeignEngine = (typeof FOREIGN_ENGINES)[number];

export interface WorkerAddress {
  /** `http://host:port` or `https://host:port`. */
  readonly origin: string;
  /** Null: a worker of this package. */
  readonly engine: ForeignEngine | null;
}

/** `http://host:port` of a worker, or `vllm+http://host:port` and the like of another server; null: none of these. */
export function parseWorkerUrl(url: string): WorkerAddress | null {
  const [, prefix, origin = ''] = /^(?:([a-z]+)\+)?(https?:\/\/.*)$/.exec(url) ?? [];
  const engine = FOREIGN_ENGINES.find((name) => name === prefix) ?? null;
  if (prefix !== undefined && engine === null) return null;
  try {
    const { pathname, search, hash, username } = new URL(origin);
    return pathname === '/' && search === '' && hash === '' && username === '' ? { origin, engine } : null;
  } catch {
    return null;
  }
}

/** Whether a chat can go on in the middle of its last message: `continue_final_message`, without `add_generation_prompt`. */
export const continuesFinalMessage = (engine: ForeignEngine): boolean => engine !== 'openai';

/** Whether it tells token ids on request (`return_token_ids`) and takes them as a prompt. */
export const speaksTokenIds = (engine: ForeignEngine): boolean => engine === 'vllm';
