import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type Family, PREFIX } from '../../lib/metrics/family.js';
import { PROBE_BOUNDS_MS } from '../../lib/metrics/probe-histogram.js';
import { buildFamilies } from '../../lib/metrics/render.js';
import { DURATION_BOUNDS_MS } from '../../lib/requests/durations.js';
import { metricsInput, NO_ERRORS } from './fixtures.js';

const doc = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');

interface Row {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly unit: string;
  readonly text: string;
}

function documentedRows(): Row[] {
  const rows: Row[] = [];
  for (const line of doc.split('\n')) {
    const cells = line.split('|').map((cell) => cell.trim());
    const name = /^`([a-z_]+)`$/.exec(cells[1] ?? '')?.[1];
    if (name === undefined) continue;
    const labels = [...(cells[3] ?? '').matchAll(/`([a-z_]+)`/g)].map((match) => match[1]!);
    rows.push({ name, type: cells[2] ?? '', labels, unit: cells[4] ?? '', text: cells[5] ?? '' });
  }
  return rows;
}

function labelsOf(family: Family): string[] {
  const names = new Set(family.values.flatMap(({ labels }) => Object.keys(labels)));
  if (family.type === 'histogram') names.delete('le');
  return [...names].sort();
}

/** What the ending of a name promises. */
const UNIT_BY_SUFFIX: readonly (readonly [RegExp, RegExp])[] = [
  [/_seconds(_total)?$/, /^seconds/],
  [/_bytes$/, /^bytes$/],
  [/_ratio$/, /^0 to 1$/],
  [/_cores$/, /^cores$/],
];

const rows = documentedRows();
const app = { ageMs: 0, clashes: 0, errors: NO_ERRORS };
const families = buildFamilies(metricsInput(), { agentRestarts: 0, app });

describe('docs/metrics.md', () => {
  test('has each metric that is put out, and no other', () => {
    expect(rows.map(({ name }) => PREFIX + name).sort()).toEqual(families.map(({ name }) => name).sort());
  });

  test.each(families.map((family) => [family.name, family] as const))('is right about %s', (name, family) => {
    const row = rows.find((candidate) => PREFIX + candidate.name === name)!;
    expect(row.type).toBe(family.type);
    expect([...row.labels].sort()).toEqual(labelsOf(family));
    expect(row.text).not.toBe('');
    expect(row.unit).not.toBe('');
    for (const [suffix, unit] of UNIT_BY_SUFFIX) if (suffix.test(row.name)) expect(row.unit).toMatch(unit);
  });

  test('names every value of the labels that have a fixed set of values', () => {
    for (const family of families) {
      const row = rows.find((candidate) => PREFIX + candidate.name === family.name)!;
      for (const label of ['mode', 'outcome', 'window', 'phase', 'resource', 'kind', 'reason']) {
        for (const { labels } of family.values) {
          if (label in labels) expect(row.text, `${family.name} ${label}`).toContain(`\`${labels[label]}\``);
        }
      }
    }
  });

  test('counts the bounds of the histograms right', () => {
    expect(doc).toContain(`from begin to end; ${DURATION_BOUNDS_MS.length} bounds from 5 ms to 10 min`);
    expect([DURATION_BOUNDS_MS[0], DURATION_BOUNDS_MS.at(-1)]).toEqual([5, 600_000]);
    expect(doc).toContain(`to the write; ${PROBE_BOUNDS_MS.length} bounds from 10 µs to 1 s`);
    expect([PROBE_BOUNDS_MS[0], PROBE_BOUNDS_MS.at(-1)]).toEqual([0.01, 1000]);
  });

  test('its queries name metrics that exist', () => {
    const [own = ''] = doc.split('## Alerts on a frontend');
    const queried = [...own.matchAll(/\b(inference_health_[a-z_]+)\b/g)].map((match) => match[1]!);
    const known = new Set(
      families.flatMap(({ name, values }) => [name, PREFIX, ...values.map(({ metricName }) => metricName)]),
    );
    expect(queried.filter((name) => !known.has(name))).toEqual([]);
    expect(queried.length).toBeGreaterThan(4);
  });
});
