import { Counter, Gauge, Histogram, type OpenMetricsContentType, Registry, Summary } from 'prom-client';
import { describe, expect, test } from 'vitest';
import { parseExposition } from '../../lib/metrics/exposition.js';
import { merge } from '../../lib/metrics/merge.js';
import { renderText } from '../../lib/metrics/render.js';
import { metricsInput, NO_ERRORS, samplesOf } from './fixtures.js';
import { promtoolComplaint } from './promtool.js';

const OURS = '# HELP inference_health_live L.\n# TYPE inference_health_live gauge\ninference_health_live 1\n';

function fill(registry: Registry | Registry<OpenMetricsContentType>): void {
  const registers = [registry];
  new Counter({
    name: 'app_jobs_total',
    help: 'Jobs, "quoted" \\ and\nbroken.',
    labelNames: ['kind'],
    registers,
  }).inc({ kind: 'a"b\\c\nd' });
  new Gauge({ name: 'app_level', help: 'Level.', registers }).set(Number.NaN);
  new Histogram({ name: 'app_wait_seconds', help: 'Wait.', registers, buckets: [0.1, 1] }).observe(0.5);
  new Summary({ name: 'app_size_bytes', help: 'Size.', registers }).observe(5);
}

describe('metrics of the application behind ours', () => {
  test('all families of a prom-client registry come through and the whole is clean', async () => {
    const registry = new Registry();
    fill(registry);
    const ours = await renderText(metricsInput(), {
      agentRestarts: 0,
      app: { ageMs: 0, clashes: 0, errors: NO_ERRORS },
    });
    const { text, clashes, malformed } = merge(ours, await registry.metrics());
    expect({ clashes, malformed }).toEqual({ clashes: 0, malformed: null });
    expect(text.startsWith(ours)).toBe(true);
    expect(samplesOf(text, 'app_jobs_total').get('{kind="a\\"b\\\\c\\nd"}')).toBe(1);
    expect(samplesOf(text, 'app_wait_seconds_bucket').get('{le="1"}')).toBe(1);
    expect(promtoolComplaint(text)).toBeNull();
  });

  test('an OpenMetrics text with exemplars becomes text format', async () => {
    const registry = new Registry<OpenMetricsContentType>();
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    fill(registry);
    const requests = new Counter({
      name: 'app_requests_total',
      help: 'R.',
      enableExemplars: true,
      registers: [registry],
    });
    requests.inc({ value: 3, exemplarLabels: { trace_id: 'a # {b}' } });
    const source = await registry.metrics();
    expect(source).toContain(' # {trace_id=');
    const { text, malformed } = merge(OURS, source);
    expect(malformed).toBeNull();
    expect(text).toContain('# TYPE app_requests_total counter\napp_requests_total 3\n');
    expect(text).not.toContain('# EOF');
    expect(promtoolComplaint(text)).toBeNull();
  });

  test('a family of the same name is left out and counted, the others stay', () => {
    const app = '# TYPE inference_health_live gauge\ninference_health_live 0\n# TYPE b gauge\nb 1\n';
    expect(merge(OURS, app)).toEqual({ text: `${OURS}# TYPE b gauge\nb 1\n`, clashes: 1, malformed: null });
  });

  test('a name that only our histogram makes is taken too, in both directions', () => {
    const ours = '# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n';
    expect(merge(ours, 'h_count 5\n').clashes).toBe(1);
    expect(merge('# TYPE h_count gauge\nh_count 1\n', ours).clashes).toBe(1);
    expect(merge(ours, 'h_counts 5\n').clashes).toBe(0);
  });

  test('our prefix is taken even where we have no such family at the moment', () => {
    expect(merge(OURS, 'inference_health_gpu 5\n').clashes).toBe(1);
  });

  test('an empty text adds nothing', () => {
    expect(merge(OURS, '')).toEqual({ text: OURS, clashes: 0, malformed: null });
  });
});

describe('a text that a scraper would refuse is left out whole, with its line', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['a word', 'hello'],
    ['HTML', '<html><body>no</body></html>'],
    ['no value', 'a{b="c"}'],
    ['a bad value', 'a 1,5'],
    ['a NaN with a sign', 'a -NaN'],
    ['a value out of range', 'a 1e999'],
    ['an unclosed label value', 'a{b="c} 1'],
    ['an unknown escape', 'a{b="\\x"} 1'],
    ['a bad label name', 'a{0b="c"} 1'],
    ['a label twice', 'a{b="1",b="2"} 1'],
    ['the name as a label', 'a{__name__="x"} 1'],
    ['a bad metric name', '0a 1'],
    ['a timestamp that is no integer', 'a 1 1.5'],
    ['something after the timestamp', 'a 1 5 x'],
    ['an exemplar', 'a_bucket{le="1"} 1 # {t="x"} 1'],
    ['carriage returns', 'a 1\r'],
    ['a second TYPE', '# TYPE a gauge\n# TYPE a gauge\na 1'],
    ['a TYPE after the samples', 'a 1\n# TYPE a gauge'],
    ['a second HELP', '# HELP a x\n# HELP a y\na 1'],
    ['an unknown type', '# TYPE a meter\na 1'],
    ['a TYPE without a name', '# TYPE'],
    ['a bound that is no number', '# TYPE a histogram\na_bucket{le="x"} 1'],
  ];
  for (const [what, app] of cases) {
    test(what, () => {
      const result = merge(OURS, `good 1\n${app}\n`);
      expect(result.text).toBe(OURS);
      expect(result.malformed).toMatch(/^line [23]|^line 4/);
    });
  }

  test('a label value of megabytes is read, not a crash', () => {
    const { text } = merge(OURS, `a{b="${'x'.repeat(4_000_000)}"} 1\n`);
    expect(text.length).toBeGreaterThan(4_000_000);
    const escaped = merge(OURS, `a{b="${'\\\\'.repeat(2_000_000)}"} 1\n`);
    expect(escaped.text.startsWith(OURS)).toBe(true);
  });

  test('the error does not carry more than an excerpt', () => {
    expect(merge(OURS, 'x'.repeat(100_000)).malformed!.length).toBeLessThan(200);
  });
});

test('whatever damage a text has, the result is one that promtool can read', () => {
  const seed =
    '# HELP a_total Things.\n# TYPE a_total counter\na_total{x="1",y="b\\\\c"} 5\na_total{x="2"} 7.5e3 123\n' +
    '# HELP h H.\n# TYPE h histogram\nh_bucket{le="0.5"} 1\nh_bucket{le="+Inf"} 2\nh_sum 1.5\nh_count 2\n' +
    'plain{q="\\n"} NaN\n# remark\nneg -Inf -5\n';
  const pieces = [
    '{',
    '}',
    '"',
    '\\',
    ' ',
    '\t',
    '\n',
    '#',
    ',',
    '=',
    '1',
    '-',
    '.',
    'e9',
    'NaN',
    'le',
    'a="b"',
    '\r',
    'é',
    '',
    '',
  ];
  let state = 1;
  const below = (limit: number) => {
    state = (state * 48271) % 2147483647;
    return state % limit;
  };
  let accepted = 0;
  for (let run = 0; accepted < 25; run += 1) {
    const at = below(seed.length);
    const damaged = seed.slice(0, at) + pieces[below(pieces.length)] + seed.slice(at + below(4));
    const { text, malformed } = merge(OURS, damaged);
    if (malformed !== null) continue;
    accepted += 1;
    expect(promtoolComplaint(text) ?? '', `run ${run}: ${JSON.stringify(damaged)}`).not.toContain(
      'error while linting',
    );
  }
});

describe('what a scraper accepts is accepted', () => {
  test('remarks, blank lines, spaces, timestamps, special values, trailing commas, no types', () => {
    const app =
      '# a remark\n\n  \na { b = "c" , } +Inf 1700000000000\na{b="d"} -1.5e-3 -5\nc NaN\nd .5\n# HELP e\n# TYPE e untyped\ne 5.\n';
    const { text, malformed } = merge('', app);
    expect(malformed).toBeNull();
    expect(samplesOf(text, 'c').size).toBe(1);
    expect(text).toContain('+Inf 1700000000000\n');
    expect(promtoolComplaint(text.replace(/^[ce] .*\n/gm, ''))).not.toContain('error while linting');
  });

  test('samples of a family that are apart in the source are together in the result', () => {
    const { text } = merge('', '# TYPE a gauge\na{x="1"} 1\nb 1\na{x="2"} 2\n');
    expect(text).toBe('# TYPE a gauge\na{x="1"} 1\na{x="2"} 2\n# TYPE b untyped\nb 1\n');
  });

  test('families without samples say nothing', () => {
    const parsed = parseExposition('# HELP a A.\n# TYPE a gauge\n');
    expect(parsed).toEqual({ ok: true, families: [] });
  });
});
