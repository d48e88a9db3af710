import { describe, expect, it } from 'vitest';
import { createEjector } from '../../lib/fleet/ejector.js';
import { createLoadView } from '../../lib/fleet/load-view.js';
import { createBusyModels } from '../../lib/frontend/busy-models.js';
import { createCandidates } from '../../lib/frontend/candidates.js';
import type { Member } from '../../lib/frontend/member.js';

/** A pool of so many; `looks` counts how often one is looked at. */
function poolOf(size: number, modelOf: (index: number) => string = () => 'm') {
  const named = new Map<string, Member>();
  const ejector = createEjector();
  const looks = { count: 0 };
  for (let index = 0; index < size; index += 1) {
    const ref = { worker: `w${index}`, incarnation: '1' };
    const member = {
      ref,
      condition: 'alive',
      isGone: false,
      isLeaving: index % 10 === 0,
      isRetired: false,
      problem: null,
      get beacon() {
        looks.count += 1;
        return { model: modelOf(index), ready: true, state: 'serving' };
      },
    };
    named.set(ref.worker, member as unknown as Member);
    ejector.add(ref, 0);
  }
  const busy = createBusyModels({});
  const candidates = createCandidates({ named, ejector, loads: createLoadView(), busy, random: Math.random });
  return { candidates, looks, named, ejector };
}

describe('the candidates for a request', () => {
  it('are all that take requests in a small pool', () => {
    const { candidates } = poolOf(100);
    expect(candidates('m', 0)).toHaveLength(90);
  });

  it('are some in a large one, others each time, and none that leaves', () => {
    const { candidates, looks, named } = poolOf(5000);
    const seen = new Set<string>();
    for (let request = 0; request < 1000; request += 1)
      for (const { ref } of candidates('m', 0)) seen.add(ref.worker);
    expect(seen.size).toBeGreaterThan(4490);
    expect([...seen].filter((worker) => named.get(worker)?.isLeaving)).toEqual([]);
    expect(looks.count / 1000).toBeLessThan(1000);
  });

  it('are looked for among all where few serve the model', () => {
    const { candidates } = poolOf(5000, (index) => (index === 4321 ? 'rare' : 'm'));
    expect(candidates('rare', 0).map(({ ref }) => ref.worker)).toEqual(['w4321']);
    expect(candidates('none', 0)).toEqual([]);
  });

  it('are none that is ejected', () => {
    const { candidates, ejector } = poolOf(1000);
    for (let index = 1; index < 200; index += 1)
      ejector.strike({ worker: `w${index}`, incarnation: '1' }, 0, 0.5);
    for (let request = 0; request < 200; request += 1)
      for (const { ref } of candidates('m', 1)) expect(ejector.isEjected(ref, 1)).toBe(false);
  });

  it('follow the pool when workers come and go', () => {
    const { candidates, named } = poolOf(1000);
    for (let index = 0; index < 700; index += 1) named.delete(`w${index}`);
    for (const { ref } of candidates('m', 0)) expect(named.has(ref.worker)).toBe(true);
    expect(candidates('m', 0).length).toBeGreaterThanOrEqual(8);
  });
});
