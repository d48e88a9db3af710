import { expect } from 'vitest';
import type { Frontend } from '../../dist/cjs/frontend/frontend.js';
import { until } from '../helpers/package.js';
import { busiest, type Streamed, stream, type ToyWorker } from './fleet.js';

const PROMPTS = Array.from({ length: 6 }, (_, i) => `story ${i}`);
const TOKENS = 150;

export const whole = (
  frontend: Frontend,
  onText: (index: number) => void = () => undefined,
): Promise<Streamed[]> =>
  Promise.all(
    PROMPTS.map((prompt, index) =>
      stream(frontend.url, { prompt, max_tokens: TOKENS }, (text) => text !== '' && onText(index)),
    ),
  );

/** Streams that have begun; what is done to a worker before that is not done to a stream. */
export async function begun(frontend: Frontend): Promise<{ readonly again: Promise<Streamed[]> }> {
  const started = new Set<number>();
  const again = whole(frontend, (index) => started.add(index));
  await Promise.race([until(() => started.size === PROMPTS.length), again]);
  return { again };
}

export const moved = (frontend: Frontend): number =>
  Object.values(frontend.migrations()).reduce((sum, n) => sum + n, 0);

/** Streams once in peace and once while `fault` happens; both must be the same, to the last byte. */
export async function survives(
  frontend: Frontend,
  fault: (victim: ToyWorker) => Promise<void> | void,
  workers: readonly ToyWorker[],
): Promise<void> {
  const before = await whole(frontend);
  const { again } = await begun(frontend);
  await fault(busiest(frontend, workers));
  expect(await again).toEqual(before);
  for (const { reason, isDone, errors, usage } of before) {
    expect({ reason, isDone, errors }).toEqual({ reason: 'length', isDone: true, errors: [] });
    expect(usage?.completion_tokens).toBe(TOKENS);
  }
  expect(moved(frontend)).toBeGreaterThan(0);
  await until(() => frontend.inFlight === 0);
}
