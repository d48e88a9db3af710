import { describe, expect, it } from 'vitest';
import { type DebounceState, PASSING, stepDebounce } from '../../lib/status/debounce.js';

function run(outcomes: string, failures: number, successes: number): string {
  let state: DebounceState = PASSING;
  return [...outcomes]
    .map((outcome) => {
      state = stepDebounce(state, outcome === '+', { failures, successes });
      return state.failing ? 'x' : '.';
    })
    .join('');
}

describe('a debouncer', () => {
  it('turns at once with thresholds of one', () => expect(run('+-+-', 1, 1)).toBe('.x.x'));
  it('needs that many failures in a row', () => expect(run('--+---', 3, 1)).toBe('.....x'));
  it('needs that many successes in a row to recover', () => expect(run('-+-++', 1, 2)).toBe('xxxx.'));
});
