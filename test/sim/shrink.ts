/** Makes a failing scenario smaller, as long as the same invariant still fails. */
import type { Violation } from './invariants.js';
import type { Scenario } from './scenario.js';
import { simulate } from './simulate.js';
import type { Machines } from './world.js';

export interface Shrunk {
  readonly scenario: Scenario;
  readonly violation: Violation;
  readonly runs: number;
}

type ListKey = 'faults' | 'requests' | 'workers';

/** @param maxRuns after which the best so far is good enough */
export function shrink(
  scenario: Scenario,
  violation: Violation,
  machines: Partial<Machines> = {},
  maxRuns = 2000,
): Shrunk {
  let best = { scenario, violation };
  let runs = 0;

  function attempt(candidate: Scenario): boolean {
    if (runs >= maxRuns) return false;
    runs += 1;
    const found = simulate(candidate, machines).violation;
    if (found?.invariant !== violation.invariant) return false;
    best = { scenario: candidate, violation: found };
    return true;
  }

  /** Leaves out ever smaller runs of a list's items. */
  function thin(key: ListKey, least: number): boolean {
    let hasShrunk = false;
    for (
      let size = Math.ceil(best.scenario[key].length / 2);
      size >= 1;
      size = size === 1 ? 0 : Math.ceil(size / 2)
    ) {
      for (let from = 0; from < best.scenario[key].length; ) {
        const items = best.scenario[key];
        const rest = [...items.slice(0, from), ...items.slice(from + size)];
        if (rest.length >= least && attempt({ ...best.scenario, [key]: rest })) hasShrunk = true;
        else from += size;
      }
    }
    return hasShrunk;
  }

  function simplify(): boolean {
    let hasShrunk = false;
    const { frontends, network } = best.scenario;
    if (frontends.length > 1 && attempt({ ...best.scenario, frontends: frontends.slice(0, 1) }))
      hasShrunk = true;
    if (network.jitterMs > 0 && attempt({ ...best.scenario, network: { ...network, jitterMs: 0 } }))
      hasShrunk = true;
    best.scenario.requests.forEach((request, index) => {
      const plain = { ...request, choices: 1, stop: [], deadlineMs: null, leavesAfterMs: null };
      if (JSON.stringify(plain) === JSON.stringify(request)) return;
      const requests = best.scenario.requests.map((each, at) => (at === index ? plain : each));
      if (attempt({ ...best.scenario, requests })) hasShrunk = true;
    });
    return hasShrunk;
  }

  for (let again = true; again && runs < maxRuns; ) {
    again = thin('faults', 0);
    again = thin('requests', 1) || again;
    again = thin('workers', 1) || again;
    again = simplify() || again;
  }
  return { ...best, runs };
}
