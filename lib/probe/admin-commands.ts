/** What the admin listener passes on to the main thread. */
export type AdminCommand =
  | {
      readonly type: 'drain';
      /** Milliseconds until what is in flight is ended with an error; null: it has all the time. */
      readonly deadlineMs: number | null;
      readonly exits: boolean;
    }
  | { readonly type: 'resume' }
  | { readonly type: 'status' };

/** What the main thread answers. */
export interface AdminResult {
  /** False where it is too late to resume. */
  readonly isDone: boolean;
  readonly phase: string;
  readonly reason: string | null;
  readonly exits: boolean;
  readonly remainingMs: number | null;
}

export const ADMIN_PATHS: readonly string[] = ['/drain', '/resume', '/status'];

const DRAIN_KEYS = ['deadline_ms', 'exit'];
const DAY_MS = 86_400_000;

/** @returns the command, or what is wrong with the body. */
export function parseAdminCommand(path: string, body: string): AdminCommand | string {
  let given: unknown = {};
  try {
    if (body.trim() !== '') given = JSON.parse(body);
  } catch {
    return 'the body is not JSON';
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return 'expected a JSON object';
  const known = path === '/drain' ? DRAIN_KEYS : [];
  const unknown = Object.keys(given).find((key) => !known.includes(key));
  if (unknown !== undefined) return `unknown key; known: ${known.length === 0 ? 'none' : known.join(', ')}`;
  if (path === '/resume') return { type: 'resume' };
  if (path === '/status') return { type: 'status' };
  const { deadline_ms: deadlineMs = null, exit = false } = given as { deadline_ms?: unknown; exit?: unknown };
  if (
    deadlineMs !== null &&
    !(
      typeof deadlineMs === 'number' &&
      Number.isInteger(deadlineMs) &&
      deadlineMs >= 0 &&
      deadlineMs <= DAY_MS
    )
  )
    return `deadline_ms: expected an integer from 0 to ${DAY_MS}`;
  if (typeof exit !== 'boolean') return 'exit: expected true or false';
  return { type: 'drain', deadlineMs, exits: exit };
}
