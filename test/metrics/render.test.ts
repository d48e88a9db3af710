import { register } from 'prom-client';
import { describe, expect, test } from 'vitest';
import { renderText } from '../../lib/metrics/render.js';
import { emptyHostSection, hostSection, metricsInput, NO_ERRORS, samplesOf } from './fixtures.js';
import { promtoolComplaint } from './promtool.js';

const SELF = { agentRestarts: 0, app: { ageMs: 1500, clashes: 1, errors: NO_ERRORS } };
const P = 'inference_health_';

describe('what promtool says', () => {
  test('a scrape with every metric is clean', async () => {
    expect(promtoolComplaint(await renderText(metricsInput(), SELF))).toBeNull();
  });

  test('a scrape before the first sample, without addon, loop and requests is clean', async () => {
    const input = metricsInput({ host: null, loop: null, requests: null, components: [] });
    expect(promtoolComplaint(await renderText(input, { agentRestarts: 0, app: null }))).toBeNull();
  });

  test('it does complain about a gauge named as a counter', () => {
    expect(promtoolComplaint('# HELP a_total A.\n# TYPE a_total gauge\na_total 1\n')).toContain('_total');
  });
});

describe('absent values', () => {
  test('a host section without values leaves every host metric out, and writes no zero', async () => {
    const text = await renderText(metricsInput({ host: emptyHostSection() }), SELF);
    for (const name of [
      'cpu_utilization_ratio',
      'memory_used_bytes',
      'pressure_ratio',
      'sample_age_seconds',
      'open_fds',
    ]) {
      expect(text).not.toContain(P + name);
    }
    expect(text).not.toContain('NaN');
  });

  test('no limit of the cgroup means no sample with scope cgroup', async () => {
    const host = hostSection({
      cgroupMemoryLimitBytes: Number.NaN,
      cgroupMemoryReason: 6,
      cgroupCpuQuotaCores: Number.NaN,
    });
    const text = await renderText(metricsInput({ host }), SELF);
    expect([...samplesOf(text, `${P}memory_limit_bytes`).keys()]).toEqual(['{scope="host"}']);
    expect([...samplesOf(text, `${P}cpu_utilization_ratio`).keys()]).toEqual(['{scope="host"}']);
    expect(text).not.toMatch(/source_unavailable\{[^}]*cgroup_memory/);
  });

  test('a source that cannot be read is named with its reason', async () => {
    const host = hostSection({ psiCpuReason: 4, memReason: 3, cgroupPidsReason: 5 });
    const text = await renderText(metricsInput({ host }), SELF);
    expect(samplesOf(text, `${P}source_unavailable`)).toEqual(
      new Map([
        ['{source="memory",reason="malformed"}', 1],
        ['{source="pressure_cpu",reason="unsupported"}', 1],
      ]),
    );
  });

  test('a component whose fact has no time has a status and no age', async () => {
    const text = await renderText(metricsInput(), SELF);
    expect(samplesOf(text, `${P}component_age_seconds`)).toEqual(new Map([['{component="memory"}', 0.5]]));
    expect(samplesOf(text, `${P}component_status`).get('{component="memory",status="degraded"}')).toBe(1);
    expect(samplesOf(text, `${P}component_status`).get('{component="memory",status="healthy"}')).toBe(0);
  });
});

describe('values', () => {
  test('host facts come in base units with their scope', async () => {
    const host = hostSection({
      observedAtMs: 60_000,
      cpuBusyRatio: 0.5,
      cgroupCpuUsageCores: 1,
      cgroupCpuQuotaCores: 4,
      memTotalBytes: 1000,
      memAvailableBytes: 400,
      cgroupWorkingSetBytes: 300,
      processRssBytes: 200,
      processCpuUserMs: 2500,
      cgroupCpuThrottledMs: 1500,
      psiScope: 1,
      psiCpuSomeAvg10: 12.5,
      psiIoSomeTotalUs: 2_000_000,
    });
    const text = await renderText(metricsInput({ host }), SELF);
    expect(samplesOf(text, `${P}cpu_utilization_ratio`)).toEqual(
      new Map([
        ['{scope="host"}', 0.5],
        ['{scope="cgroup"}', 0.25],
      ]),
    );
    expect(samplesOf(text, `${P}memory_used_bytes`)).toEqual(
      new Map([
        ['{scope="host"}', 600],
        ['{scope="cgroup"}', 300],
        ['{scope="process"}', 200],
      ]),
    );
    expect(samplesOf(text, `${P}sample_age_seconds`).get('')).toBe(1);
    expect(samplesOf(text, `${P}cpu_seconds_total`).get('{scope="process",mode="user"}')).toBe(2.5);
    expect(samplesOf(text, `${P}cpu_throttled_seconds_total`).get('{scope="cgroup"}')).toBe(1.5);
    const pressure = '{scope="cgroup",resource="cpu",kind="some",window="10s"}';
    expect(samplesOf(text, `${P}pressure_ratio`).get(pressure)).toBe(0.125);
    expect(
      samplesOf(text, `${P}pressure_seconds_total`).get('{scope="cgroup",resource="io",kind="some"}'),
    ).toBe(2);
  });

  test('the loop, the requests and the state are told', async () => {
    const text = await renderText(metricsInput(), { agentRestarts: 2, app: null });
    expect(samplesOf(text, `${P}event_loop_busy_seconds`).get('')).toBe(1.5);
    expect(samplesOf(text, `${P}event_loop_stall_seconds_sum`).get('')).toBe(4.2);
    expect(samplesOf(text, `${P}event_loop_stall_seconds_count`).get('')).toBe(3);
    expect(samplesOf(text, `${P}requests_total`)).toEqual(
      new Map([
        ['{outcome="ok"}', 9],
        ['{outcome="error"}', 1],
      ]),
    );
    expect(samplesOf(text, `${P}tokens_total`).get('')).toBe(4096);
    expect(samplesOf(text, `${P}request_duration_seconds_bucket`)).toEqual(
      new Map([
        ['{le="0.01"}', 4],
        ['{le="0.1"}', 9],
        ['{le="+Inf"}', 10],
      ]),
    );
    expect(samplesOf(text, `${P}live`).get('')).toBe(1);
    expect(samplesOf(text, `${P}ready`).get('')).toBe(0);
    expect(samplesOf(text, `${P}phase`).get('{phase="serving"}')).toBe(1);
    expect(samplesOf(text, `${P}phase`).get('{phase="draining"}')).toBe(0);
    expect(samplesOf(text, `${P}agent_restarts_total`).get('')).toBe(2);
    expect(samplesOf(text, `${P}probe_thread_replacements_total`).get('')).toBe(1);
  });

  test('nothing goes into the global registry of prom-client', async () => {
    await renderText(metricsInput(), SELF);
    expect(register.getMetricsAsArray()).toEqual([]);
  });
});
