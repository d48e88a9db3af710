/** What a failed attempt came to, from what the worker answered or how its connection broke. */
import type { Outcome } from '../fleet/types.js';

export interface AttemptFailure {
  readonly outcome: Outcome;
  readonly message: string;
  readonly retryAfterMs?: number;
}

export type Headers = Readonly<Record<string, string | string[] | undefined>>;

export function refusal(status: number, headers: Headers, text: string): AttemptFailure {
  const told = headers['x-inference-outcome'];
  const message = messageIn(text) ?? `the worker answered ${status}`;
  if (status === 429 || status === 503 || status === 529) {
    const seconds = Number(headers['retry-after']);
    const outcome = told === 'draining' || told === 'shutdown' ? told : 'overloaded';
    return { outcome, message, ...(seconds > 0 ? { retryAfterMs: seconds * 1000 } : {}) };
  }
  if (told === 'unsupported' || told === 'cancelled' || told === 'deadline')
    return { outcome: told, message };
  // Any other 4xx is no word about the request: a worker of ours does not say it.
  if (status === 400 || status === 413 || status === 422) return { outcome: 'invalid', message };
  return { outcome: told === 'numerical' || told === 'reset' ? told : 'engine_error', message };
}

function messageIn(text: string): string | null {
  try {
    const { error } = JSON.parse(text) as { error?: { message?: unknown } };
    return typeof error?.message === 'string' ? error.message : null;
  } catch {
    return null;
  }
}

const NOT_REACHED: readonly (string | undefined)[] = [
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
];

/** Descriptors, ports or memory for sockets are used up here: the worker has no part in it. */
const OWN_LIMITS: readonly (string | undefined)[] = [
  'EMFILE',
  'ENFILE',
  'EADDRNOTAVAIL',
  'ENOBUFS',
  'ENOMEM',
];

/** Where nobody was reached no byte was sent, and where the answer is no answer the worker is broken. */
export function outcomeOf({ code, name }: Error & { code?: string }): Outcome {
  if (NOT_REACHED.includes(code)) return 'not_sent';
  if (OWN_LIMITS.includes(code)) return 'overloaded';
  if (name === 'FrameError' || name === 'HTTPParserError') return 'engine_error';
  if (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') return 'truncated';
  return 'reset';
}
