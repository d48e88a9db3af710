/** What a worker says of itself four times a second, a JSON object: a line on `GET /v1/beacons`, a message on NATS. */
export interface WorkerBeacon {
  readonly worker: string;
  readonly incarnation: string;
  readonly model: string;
  /** Of this incarnation; each beacon has a greater one, whichever way it goes. Absent: those of a worker that counts none. */
  readonly seq?: number;
  readonly state: 'serving' | 'draining';
  /** Whether it is ready; without, nothing new is sent to it. */
  readonly ready: boolean;
  readonly engineStep: number;
  readonly running: number;
  readonly waiting: number;
  readonly scheduledTokens: number;
  /** Tokens of all requests that run or wait: prefill to do and decode expected; absent: unknown. */
  readonly activeTokens?: number;
  readonly kvBlocksUsed: number;
  readonly kvBlocksTotal: number;
  readonly expectedStepMs: number;
  /** Tokens that wait for their prefill; absent: unknown. */
  readonly prefillTokens?: number;
  /** Tokens of one batch at most; absent: unknown. */
  readonly maxBatchedTokens?: number;
}

const OPTIONAL_NUMBERS = ['seq', 'activeTokens', 'prefillTokens', 'maxBatchedTokens'] as const;
const MAX_TEXT = 1024;
const NUMBERS = [
  'engineStep',
  'running',
  'waiting',
  'scheduledTokens',
  'kvBlocksUsed',
  'kvBlocksTotal',
  'expectedStepMs',
] as const;

/** @throws Error that names the field that is missing or of another kind */
export function decodeBeacon(line: string): WorkerBeacon {
  let value: Record<string, unknown> | null;
  try {
    value = JSON.parse(line) as Record<string, unknown> | null;
  } catch {
    value = null;
  }
  if (typeof value !== 'object' || value === null) throw new Error('expected a beacon, an object');
  for (const name of ['worker', 'incarnation', 'model'] as const)
    if (!isText(value[name])) throw new Error(`beacon: expected ${name} to be a string of 1 to ${MAX_TEXT}`);
  for (const name of NUMBERS)
    if (!isCount(value[name])) throw new Error(`beacon: expected ${name} to be a number from 0`);
  for (const name of OPTIONAL_NUMBERS)
    if (value[name] !== undefined && !isCount(value[name]))
      throw new Error(`beacon: expected ${name} to be a number from 0, or absent`);
  if (value.state !== 'serving' && value.state !== 'draining')
    throw new Error('beacon: expected state to be serving or draining');
  if (typeof value.ready !== 'boolean') throw new Error('beacon: expected ready to be true or false');
  return value as unknown as WorkerBeacon;
}

/** So far a number may be ahead of those that come over the worker's own connection: four minutes. */
const MAX_AHEAD = 1000;

/**
 * Whether it says something new of the same life. What counts none is taken as it comes. A number from elsewhere that is
 * impossibly far ahead does not silence the worker's own connection.
 */
export function isNewer(
  { incarnation, seq }: WorkerBeacon,
  known: WorkerBeacon | null,
  from: 'own connection' | 'elsewhere',
): boolean {
  if (known?.incarnation !== incarnation || seq === undefined || known.seq === undefined) return true;
  return seq > known.seq || (from === 'own connection' && known.seq - seq > MAX_AHEAD);
}

const isText = (value: unknown): boolean =>
  typeof value === 'string' && value !== '' && value.length <= MAX_TEXT;
/** JSON holds 1e999, which is infinite: a load that nothing would be larger than. */
const isCount = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value < 1e300;
