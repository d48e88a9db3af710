import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createScopeWith, type Scope } from '../../lib/requests/abort-scope.js';
import type { ScopePhase } from '../../lib/requests/scope.js';
import { createVirtualClock, type VirtualClock } from './virtual-clock.js';

/** What a scope should be, said as simply as possible: recursion, no laziness, time looked at whenever it moves. */
interface Node {
  level: 0 | 1 | 2;
  isClosed: boolean;
  deadlineAtMs: number;
  escalatesAtMs: number;
  readonly parents: Node[];
  readonly children: Node[];
}

const ESCALATE_MS = 100;

function raise(node: Node, level: 1 | 2, nowMs: number): void {
  if (node.isClosed || node.level >= level) return;
  node.level = level;
  if (level === 1) node.escalatesAtMs = nowMs + ESCALATE_MS;
  for (const child of node.children) raise(child, level, nowMs);
}

function tighten(node: Node, deadlineAtMs: number, nowMs: number): void {
  if (node.isClosed || deadlineAtMs >= node.deadlineAtMs) return;
  node.deadlineAtMs = deadlineAtMs;
  if (deadlineAtMs <= nowMs) raise(node, 2, nowMs);
  for (const child of node.children) tighten(child, deadlineAtMs, nowMs);
}

function link(parent: Node, child: Node, nowMs: number): void {
  if (parent === child || child.isClosed) return;
  if (parent.isClosed) {
    raise(child, 2, nowMs);
    return;
  }
  if (!parent.children.includes(child)) {
    parent.children.push(child);
    child.parents.push(parent);
  }
  tighten(child, parent.deadlineAtMs, nowMs);
  if (parent.level > 0) raise(child, parent.level as 1 | 2, nowMs);
}

function close(node: Node, nowMs: number): void {
  if (node.isClosed) return;
  node.isClosed = true;
  for (const child of node.children)
    if (child.parents.every(({ isClosed }) => isClosed)) raise(child, 2, nowMs);
}

const phase = ({ isClosed, level }: Node): ScopePhase =>
  isClosed ? 'closed' : (['open', 'stopping', 'killed'] as const)[level];

interface Model {
  nowMs: number;
  readonly nodes: Node[];
}
interface Real {
  readonly clock: VirtualClock;
  readonly scopes: Scope[];
  readonly aborts: number[];
}

const RANK: Readonly<Record<ScopePhase, number>> = { open: 0, stopping: 1, killed: 2, closed: 3 };

/** After every step: the states agree, and the invariants hold whatever the model says. */
function check(model: Model, real: Real): void {
  expect(real.scopes.map(({ state }) => state)).toEqual(model.nodes.map(phase));
  model.nodes.forEach((node, index) => {
    const scope = real.scopes[index]!;
    // Kill after stop in any order is a kill, and it is told once.
    expect(scope.signal.aborted).toBe(node.level === 2);
    expect(scope.stopSignal.aborted).toBe(node.level > 0);
    expect(real.aborts[index]).toBe(node.level === 2 ? 1 : 0);
    if (!node.isClosed) expect(scope.remainingMs()).toBe(Math.max(0, node.deadlineAtMs - model.nowMs));
    for (const child of node.children) {
      const below = real.scopes[model.nodes.indexOf(child)]!;
      // A child is at least as cancelled as each parent that still runs.
      if (!node.isClosed) expect(RANK[below.state]).toBeGreaterThanOrEqual(RANK[scope.state]);
    }
  });
  // Nothing that has ended waits for anything.
  const pending = model.nodes.filter(
    ({ isClosed, level, deadlineAtMs }) => !isClosed && level < 2 && (level === 1 || deadlineAtMs < Infinity),
  );
  expect(real.clock.timers()).toBe(pending.length);
}

function add(model: Model, real: Real, deadlineMs: number, parent: Scope | null, above: Node | null): void {
  const options = { deadlineMs, escalateMs: ESCALATE_MS };
  const scope = parent === null ? createScopeWith(real.clock, options, {}) : parent.child(options);
  const node: Node = {
    level: 0,
    isClosed: false,
    deadlineAtMs: model.nowMs + deadlineMs,
    escalatesAtMs: Infinity,
    parents: [],
    children: [],
  };
  model.nodes.push(node);
  if (above !== null) link(above, node, model.nowMs);
  if (deadlineMs === 0) raise(node, 2, model.nowMs);
  const index = real.scopes.push(scope) - 1;
  real.aborts[index] = scope.signal.aborted ? 1 : 0;
  scope.signal.addEventListener('abort', () => {
    real.aborts[index] = (real.aborts[index] ?? 0) + 1;
  });
}

type Step = (model: Model, real: Real) => void;
const at = <T>(list: readonly T[], index: number): T => list[index % list.length]!;
const deadline = fc.oneof(
  { weight: 3, arbitrary: fc.constant(Infinity) },
  { weight: 1, arbitrary: fc.nat(300) },
);
const index = fc.nat(1000);

const commands: readonly fc.Arbitrary<{ run: Step; text: string }>[] = [
  deadline.map((ms) => ({
    run: (model: Model, real: Real) => add(model, real, ms, null, null),
    text: `open(${ms})`,
  })),
  fc.tuple(deadline, index).map(([ms, i]) => ({
    run: (model: Model, real: Real) => {
      if (model.nodes.length > 0) add(model, real, ms, at(real.scopes, i), at(model.nodes, i));
    },
    text: `child(${i}, ${ms})`,
  })),
  fc.tuple(index, index).map(([a, b]) => ({
    run: (model: Model, real: Real) => {
      if (model.nodes.length === 0) return;
      at(real.scopes, a).link(at(real.scopes, b));
      link(at(model.nodes, a), at(model.nodes, b), model.nowMs);
    },
    text: `link(${a}, ${b})`,
  })),
  ...(['stop', 'kill', 'close'] as const).map((what) =>
    index.map((i) => ({
      run: (model: Model, real: Real) => {
        if (model.nodes.length === 0) return;
        at(real.scopes, i)[what]();
        if (what === 'close') close(at(model.nodes, i), model.nowMs);
        else raise(at(model.nodes, i), what === 'stop' ? 1 : 2, model.nowMs);
      },
      text: `${what}(${i})`,
    })),
  ),
  fc.nat(150).map((ms) => ({
    run: (model: Model, real: Real) => {
      real.clock.advance(ms);
      for (let passed = 0; passed < ms; passed += 1) {
        model.nowMs += 1;
        for (const node of model.nodes)
          if (Math.min(node.deadlineAtMs, node.escalatesAtMs) <= model.nowMs) raise(node, 2, model.nowMs);
      }
    },
    text: `advance(${ms})`,
  })),
];

describe('scopes', () => {
  test('behave as their model in every order of opening, linking, cancelling, closing and time passing', () => {
    const steps = fc.array(fc.oneof(...commands), { maxLength: 40 });
    fc.assert(
      fc.property(steps, (list) => {
        const clock = createVirtualClock();
        const model: Model = { nowMs: clock.now(), nodes: [] };
        const real: Real = { clock, scopes: [], aborts: [] };
        for (const { run } of list) {
          run(model, real);
          check(model, real);
        }
        // At rest nothing is left, whatever happened before.
        for (const scope of real.scopes) scope.close();
        expect(clock.timers()).toBe(0);
      }),
      { numRuns: 1500 },
    );
  });

  test('end the same whatever the order of stop and kill', () => {
    const calls = fc.array(fc.constantFrom('stop' as const, 'kill' as const), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(calls, (list) => {
        const scope = createScopeWith(createVirtualClock(), {}, {});
        for (const call of list) scope[call]();
        expect(scope.state).toBe(list.includes('kill') ? 'killed' : 'stopping');
      }),
    );
  });
});
