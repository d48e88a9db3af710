import { describe, expect, it } from 'vitest';
import { cgroupDocument, hostDocument } from '../../lib/dialects/host-document.js';
import { HOST, HOST_FIELDS, REASON } from '../../lib/native/layout.js';
import { until, withHealth } from '../helpers/package.js';
import { codes, firstCodes, readText, tableBelow } from './markdown.js';

const DOC = 'docs/host.md';

type Tree = { readonly [key: string]: unknown };

function keysOf(tree: Tree, prefix = ''): string[] {
  return Object.entries(tree).flatMap(([key, value]) =>
    typeof value === 'object' && value !== null
      ? keysOf(value as Tree, `${prefix}${key}.`)
      : [`${prefix}${key}`],
  );
}

/** Every field present, or every group absent for `reason`. */
const full = new Float64Array(HOST_FIELDS.length).fill(0);
function absent(reason: number): Float64Array {
  const host = new Float64Array(HOST_FIELDS.length).fill(Number.NaN);
  host[HOST.cgroupVersion] = 2;
  for (const field of HOST_FIELDS) if (field.endsWith('Reason')) host[HOST[field]] = reason;
  return host;
}

describe('docs/host.md', () => {
  it('has every key of host and cgroup, and no other', () => {
    const host = { ...(hostDocument(full) as Tree), source: '' };
    expect(firstCodes(tableBelow(DOC, '## host')).sort()).toEqual(keysOf(host).sort());
    expect(firstCodes(tableBelow(DOC, '## cgroup')).sort()).toEqual(
      keysOf(cgroupDocument(full) as Tree).sort(),
    );
  });

  it('has every group that can be unavailable, and every reason', () => {
    const text = readText(DOC);
    const groups = (document: unknown): string[] =>
      Object.keys((document as { unavailable: object }).unavailable).sort();
    const named = [...text.matchAll(/^Groups in `unavailable`: ([^.]+)\./gm)].map(([, list]) =>
      codes(list!).sort(),
    );
    expect(named).toEqual([groups(hostDocument(absent(1))), groups(cgroupDocument(absent(1)))]);
    const reasons = Object.values(REASON)
      .filter((reason) => reason !== REASON.ok)
      .map(
        (reason) => (hostDocument(absent(reason)) as { unavailable: Record<string, string> }).unavailable.cpu,
      );
    expect(firstCodes(tableBelow(DOC, '## What is absent is absent')).sort()).toEqual(reasons.sort());
  });

  it('has the keys of event_loop that a live server shows', async () => {
    const documented = firstCodes(tableBelow(DOC, '## event_loop'));
    await withHealth({}, async (_health, base) => {
      const keys = await until(async () => {
        const { event_loop } = (await (await fetch(`${base}/health`)).json()) as { event_loop: object };
        return 'utilization' in event_loop && Object.keys(event_loop);
      });
      const shown = [...(keys as string[]), 'last_stall'];
      expect(
        documented.filter((key) => !['javascript', 'native', 'debugger', 'unavailable'].includes(key)).sort(),
      ).toEqual(expect.arrayContaining(shown.sort()));
    });
  });

  it('has every kind of stall that is shown', () => {
    const [, kinds = ''] = /readonly kind: ('javascript'[^;]+);/.exec(readText('lib/agent/stack.ts')) ?? [];
    const shown = [...kinds.matchAll(/'(\w+)'/g)].map(([, kind]) => kind!).filter((kind) => kind !== 'ended');
    expect(firstCodes(tableBelow(DOC, '## event_loop'))).toEqual(expect.arrayContaining(shown));
    expect(shown).toHaveLength(4);
  });
});
