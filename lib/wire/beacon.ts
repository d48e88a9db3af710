/** What a worker says of itself four times a second, a JSON object a line, on `GET /v1/beacons`. */
export interface WorkerBeacon {
  readonly worker: string;
  readonly incarnation: string;
  readonly model: string;
  readonly state: 'serving' | 'draining';
  /** Whether it is ready; without, nothing new is sent to it. */
  readonly ready: boolean;
  readonly engineStep: number;
  readonly running: number;
  readonly waiting: number;
  readonly scheduledTokens: number;
  /** Tokens of all requests that run or wait: prefill to do and decode expected. */
  readonly activeTokens: number;
  readonly kvBlocksUsed: number;
  readonly kvBlocksTotal: number;
  readonly expectedStepMs: number;
  /** Tokens that wait for their prefill; absent: unknown. */
  readonly prefillTokens?: number;
  /** Tokens of one batch at most; absent: unknown. */
  readonly maxBatchedTokens?: number;
}

const OPTIONAL_NUMBERS = ['prefillTokens', 'maxBatchedTokens'] as const;
const NUMBERS = [
  'engineStep',
  'running',
  'waiting',
  'scheduledTokens',
  'activeTokens',
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
    if (typeof value[name] !== 'string') throw new Error(`beacon: expected ${name} to be a string`);
  for (const name of NUMBERS)
    if (typeof value[name] !== 'number') throw new Error(`beacon: expected ${name} to be a number`);
  for (const name of OPTIONAL_NUMBERS)
    if (value[name] !== undefined && typeof value[name] !== 'number')
      throw new Error(`beacon: expected ${name} to be a number or absent`);
  if (value.state !== 'serving' && value.state !== 'draining')
    throw new Error('beacon: expected state to be serving or draining');
  if (typeof value.ready !== 'boolean') throw new Error('beacon: expected ready to be true or false');
  return value as unknown as WorkerBeacon;
}
