import { expect, it } from 'vitest';
import { createMirror } from '../../lib/lifecycle/mirror.js';
import type { StatusEvent } from '../../lib/status/events.js';
import { initialState, step } from '../../lib/status/reducer.js';
import type { State } from '../../lib/status/types.js';
import { POLICY } from '../status/policy.js';

const START = initialState(0, POLICY);
const hold = (name: string): StatusEvent => ({ type: 'hold', atMs: 1, name });

function holder(initial: State) {
  let state = initial;
  return {
    apply: (event: StatusEvent) => {
      state = step(state, event);
    },
    replace: (next: State) => {
      state = next;
    },
    holds: () => state.holds.map(({ name }) => name),
  };
}

it('what was said since the other thread’s state was taken stays on top of it, once', () => {
  const local = holder(START);
  const mirror = createMirror(local);
  const first = mirror.dispatch(hold('a'));
  mirror.dispatch(hold('b'));
  mirror.acknowledge(step(START, hold('a')), first);
  expect(local.holds()).toEqual(['a', 'b']);
  mirror.dispatch({ type: 'hold-released', name: 'a' });
  mirror.acknowledge([hold('a'), hold('b')].reduce(step, START), 2);
  expect(local.holds()).toEqual(['b']);
  mirror.acknowledge([hold('b')].reduce(step, START), 3);
  expect(local.holds()).toEqual(['b']);
});
