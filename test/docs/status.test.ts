import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type CheckResult, startCheck } from '../../lib/lifecycle/checks.js';
import { createClaim, createComponent, createEndpoint, createHold } from '../../lib/lifecycle/claims.js';
import type { StatusEvent } from '../../lib/status/events.js';
import { REASONS } from '../../lib/status/reasons.js';
import { initialState, step } from '../../lib/status/reducer.js';
import type { HostFacts } from '../../lib/status/types.js';
import { verdict } from '../../lib/status/verdict.js';
import { ROOT } from '../helpers/package.js';
import { POLICY } from '../status/policy.js';
import { readText, tableBelow } from './markdown.js';

const DOC = 'docs/status.md';
const tabulated = REASONS.map(({ code }) => code);

/** `cache.check_failed` is covered by `<name>.check_failed`; `hold.warm-up` by `hold.<name>`. */
function isTabulated(code: string, ownNames: readonly string[] = []): boolean {
  if (tabulated.includes(code)) return true;
  const [head = '', ...rest] = code.split('.');
  const tail = rest.join('.');
  if (head === 'hold') return tabulated.includes('hold.<name>');
  if (head === 'endpoint') return tabulated.includes('endpoint.<reason>');
  if (!ownNames.includes(head)) return false;
  if (tabulated.includes(`<name>.${tail}`)) return true;
  const status = ['degraded', 'unhealthy', 'unknown'].includes(tail);
  return tabulated.includes(status ? '<name>.<status>' : '<name>.<reason>');
}

const policy = { ...POLICY, startupGraceMs: 5000 };

const facts = (partial: Partial<HostFacts>): HostFacts => ({
  atMs: 10,
  durationMs: 0,
  memoryScope: 'host',
  memoryPercent: 50,
  memoryAbsent: null,
  throttledRatio: 0,
  cpuPressurePercent: 0,
  cpuPercent: 1,
  ...partial,
});

/** Everything that a verdict shows as a code after these events, at two moments: now and when all is stale. */
function codesOf(events: readonly StatusEvent[]): string[] {
  const state = events.reduce(step, initialState(0, policy));
  return [20, 1e9].flatMap((nowMs) => {
    const { reasons, components } = verdict(state, nowMs);
    return [
      ...reasons.map(({ code }) => code),
      ...components.map(({ reason }) => reason).filter((reason) => reason !== null),
    ];
  });
}

/** Runs `act` with a dispatch and returns what it dispatched. */
async function eventsOf(
  act: (dispatch: (event: StatusEvent) => void, now: () => number) => unknown,
  waitMs = 0,
): Promise<StatusEvent[]> {
  const events: StatusEvent[] = [];
  await act(
    (event) => events.push(event),
    () => 10,
  );
  await new Promise((resolve) => setTimeout(resolve, waitMs));
  return events;
}

describe('each reason code that can appear is in the table', () => {
  const sample = (partial: Partial<HostFacts>): StatusEvent => ({ type: 'sample', facts: facts(partial) });
  it.each<[string, StatusEvent[]]>([
    ['nothing at all', []],
    ['elevated memory', [sample({ memoryPercent: 85 })]],
    ['critical memory', [sample({ memoryPercent: 95 })]],
    [
      'unknown memory and CPU',
      [sample({ memoryPercent: null, throttledRatio: null, cpuPressurePercent: null, cpuPercent: null })],
    ],
    ['throttling', [sample({ throttledRatio: 0.5 })]],
    ['pressure', [sample({ cpuPressurePercent: 90 })]],
    ['a failed sample', [{ type: 'sample-failed', atMs: 10, message: 'x' }]],
    ['a blocked loop', [{ type: 'loop', atMs: 10, level: 'blocked', sinceMs: 0 }]],
    ['a stalled loop', [{ type: 'loop', atMs: 10, level: 'stalled', sinceMs: 0 }]],
    ...(['starting', 'serving', 'draining', 'stopped', 'failed'] as const).map(
      (phase): [string, StatusEvent[]] => [phase, [{ type: 'phase', atMs: 10, phase }]],
    ),
  ])('from %s', (_name, events) => {
    expect(codesOf(events).filter((code) => !isTabulated(code))).toEqual([]);
  });

  it('from claims, holds, endpoints and components', async () => {
    for (const name of ['model', 'inference_engine']) {
      for (const call of ['loading', 'ready', 'failed'] as const) {
        const events = await eventsOf((dispatch, now) => createClaim(name, name, dispatch, now)[call]());
        expect(codesOf(events).filter((code) => !isTabulated(code))).toEqual([]);
      }
    }
    const events = await eventsOf((dispatch, now) => {
      createHold('warm-up', dispatch, now);
      createEndpoint('generate', dispatch, now).notReady();
      createEndpoint('embed', dispatch, now).notReady('no_adapter');
      createComponent('cache', dispatch, now).set('degraded');
      createComponent('queue', dispatch, now).set('unhealthy', 'full', 'The queue is full');
      createComponent('disk', dispatch, now).set('unknown');
    });
    const found = codesOf(events);
    expect(found).toEqual(
      expect.arrayContaining(['hold.warm-up', 'endpoint.no_adapter', 'queue.full', 'disk.unknown']),
    );
    expect(found.filter((code) => !isTabulated(code, ['cache', 'queue', 'disk']))).toEqual([]);
  });

  it.each<[string, () => CheckResult | Promise<CheckResult>, string]>([
    ['that throws', () => Promise.reject(new Error('x')), 'store.check_failed'],
    ['that returns false', () => false, 'store.check_failed'],
    ['that hangs', () => new Promise(() => undefined), 'store.check_timeout'],
    ['that is degraded', () => ({ status: 'degraded' }), 'store.check_degraded'],
    ['that passes', () => true, 'store.stale'],
  ])('from a check %s', async (_name, fn, expected) => {
    let stop = (): void => undefined;
    const events = await eventsOf((dispatch, now) => {
      stop = startCheck('store', fn, { timeoutMs: 20 }, { dispatch, now }).stop;
    }, 60);
    const found = [...codesOf(events.slice(0, 1)), ...codesOf(events)];
    stop();
    expect(found).toEqual(expect.arrayContaining(['store.pending', expected]));
    expect(found.filter((code) => !isTabulated(code, ['store']))).toEqual([]);
  });

  it('as a literal in the source', () => {
    const files = readdirSync(join(ROOT, 'lib'), { recursive: true, encoding: 'utf8' }).filter((file) =>
      /^(status|lifecycle|probe|dialects)\/.*\.ts$/.test(file),
    );
    const literals = files.flatMap((file) =>
      [
        ...readText(`lib/${file}`).matchAll(
          /'((?:memory|cpu|event_loop|model|inference_engine|endpoint|phase|drain|gpu)\.[a-z_]+)'/g,
        ),
      ].map((match) => match[1]!),
    );
    // Options and reason codes both have the form memory.x; options are in camel case.
    expect(literals.length).toBeGreaterThan(8);
    expect([...new Set(literals)].filter((code) => !isTabulated(code))).toEqual([]);
  });
});

describe('docs/status.md', () => {
  it('lists the components that are always there, with what is critical', () => {
    const rows = tableBelow(DOC, '## Components').filter(([cell]) => cell!.startsWith('`'));
    const { components } = initialState(0, policy);
    expect(rows.map(([cell, , critical]) => `${cell!.replaceAll('`', '')} ${critical}`).sort()).toEqual(
      components.map(({ name, critical }) => `${name} ${critical ? 'yes' : 'no'}`).sort(),
    );
  });

  it('lists the options of a check with their defaults', () => {
    const source = readText('lib/lifecycle/checks.ts');
    const rows = tableBelow(DOC, '### Your own checks');
    const names = /const OPTION_NAMES = \[([^\]]+)\]/.exec(source)![1]!.match(/\w+/g)!;
    expect(rows.map(([cell]) => cell!.replaceAll('`', ''))).toEqual(names);
    for (const [cell, fallback] of rows) {
      const name = cell!.replaceAll('`', '');
      expect(source).toMatch(new RegExp(`options\\.${name}(, | \\?\\? )${fallback}\\b`));
    }
  });
});
