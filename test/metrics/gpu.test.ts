import { describe, expect, test } from 'vitest';
import { PREFIX } from '../../lib/metrics/family.js';
import { renderText } from '../../lib/metrics/render.js';
import { readText } from '../docs/markdown.js';
import { withFakeGpu } from '../gpu/fake/fake-gpu.js';
import { until, withHealth } from '../helpers/package.js';
import { gpuDevice, metricsInput, samplesOf } from './fixtures.js';
import { promtoolComplaint } from './promtool.js';

const MODEL = 'model="NVIDIA H100 80GB HBM3"';
const GIB = 2 ** 30;

const documented = [...readText('docs/metrics.md').matchAll(/^\| `(gpu_[a-z_]+)`/gm)].map(
  (match) => match[1]!,
);
/** Names of the GPU families in a text. */
const names = (text: string): string[] =>
  [...text.matchAll(/^# TYPE inference_health_(gpu_\w+) /gm)].map((match) => match[1]!);
const valuesOf = (text: string, name: string): number[] => [...samplesOf(text, PREFIX + name).values()];

describe('the metrics of a server with GPUs', () => {
  test('are those that docs/metrics.md lists, with the values of the driver', async () => {
    await withFakeGpu({ gpus: 2 }, async (fake) => {
      const gpu = { library: fake.library, kmsg: fake.kmsg.path, devices: [0, 1] };
      await withHealth({ gpu, startupGraceMs: 0 }, async (_health, base) => {
        const scrape = async (): Promise<string> => (await fetch(`${base}/metrics`)).text();
        const healthy = await until(async () => {
          const text = await scrape();
          return valuesOf(text, 'gpu_ecc_uncorrected').length === 2 && text;
        });
        const first = `{uuid="${fake.text(0, 'uuid')}",index="0",${MODEL}}`;
        const second = `{uuid="${fake.text(1, 'uuid')}",index="1",${MODEL}}`;
        const both = (value: number) => new Map([first, second].map((labels) => [labels, value]));
        expect(samplesOf(healthy, `${PREFIX}gpu_present`)).toEqual(both(1));
        expect(samplesOf(healthy, `${PREFIX}gpu_used`)).toEqual(both(1));
        expect(samplesOf(healthy, `${PREFIX}gpu_memory_total_bytes`)).toEqual(both(80 * GIB));
        expect(samplesOf(healthy, `${PREFIX}gpu_memory_used_bytes`)).toEqual(both(24 * GIB));
        expect(samplesOf(healthy, `${PREFIX}gpu_utilization_ratio`)).toEqual(both(0.35));
        expect(samplesOf(healthy, `${PREFIX}gpu_temperature_celsius`)).toEqual(both(45));
        expect(samplesOf(healthy, `${PREFIX}gpu_power_watts`)).toEqual(both(310));
        expect(samplesOf(healthy, `${PREFIX}gpu_ecc_uncorrected`)).toEqual(both(0));
        expect(samplesOf(healthy, `${PREFIX}gpu_recovery_action`)).toEqual(both(0));
        for (const name of ['gpu_finding', 'gpu_restart_helps', 'gpu_xid_total', 'gpu_sxid_total']) {
          expect(names(healthy)).not.toContain(name);
        }

        fake.xid(0, 63);
        const degraded = await until(async () => {
          const text = await scrape();
          return names(text).includes('gpu_finding') && text;
        });
        expect(names(degraded)).not.toContain('gpu_restart_helps');

        fake.xid(1, 79);
        fake.xid(1, 13, { times: 3 });
        fake.kmsg.write(
          'nvidia-nvswitch3: SXid (PCI:0000:c1:00.0): 11004, Non-fatal, Link 05 Ingress invalid ACL',
        );
        const faulty = await until(async () => {
          const text = await scrape();
          return (
            ['gpu_finding', 'gpu_xid_total', 'gpu_sxid_total'].every((name) => names(text).includes(name)) &&
            valuesOf(text, 'gpu_xid_total').length === 3 &&
            text
          );
        });
        const place = `uuid="${fake.text(1, 'uuid')}",index="1"`;
        expect(samplesOf(faulty, `${PREFIX}gpu_xid_total`)).toEqual(
          new Map([
            [`{uuid="${fake.text(0, 'uuid')}",index="0",xid="63"}`, 1],
            [`{${place},xid="79"}`, 1],
            [`{${place},xid="13"}`, 3],
          ]),
        );
        expect(samplesOf(faulty, `${PREFIX}gpu_sxid_total`)).toEqual(new Map([['{sxid="11004"}', 1]]));
        expect(valuesOf(faulty, 'gpu_xid_dropped_total')).toEqual([0]);
        expect(samplesOf(faulty, `${PREFIX}gpu_finding`).get(`{code="gpu.xid.79",${place}}`)).toBe(1);
        expect(valuesOf(faulty, 'gpu_restart_helps')).toEqual([0]);
        expect(
          samplesOf(faulty, `${PREFIX}gpu_driver_call_seconds_count`).get(
            '{call="nvmlDeviceGetMemoryInfo_v2"}',
          ),
        ).toBeGreaterThan(0);
        expect(names(faulty).sort()).toEqual(documented.sort());
        expect(promtoolComplaint(faulty)).toBeNull();
      });
    });
  });

  test('are absent without a driver', async () => {
    await withHealth({ gpu: { library: '/nonexistent/libnvidia-ml.so.1' } }, async (_health, base) => {
      expect(names(await (await fetch(`${base}/metrics`)).text())).toEqual([]);
    });
  });
});

describe('more XIDs than the native table has rows for', () => {
  test('are counted as dropped', async () => {
    await withFakeGpu({}, async (fake) => {
      const gpu = { library: fake.library, kmsg: fake.kmsg.path };
      await withHealth({ gpu, startupGraceMs: 0 }, async (_health, base) => {
        const scrape = async (): Promise<string> => (await fetch(`${base}/metrics`)).text();
        await until(async () => names(await scrape()).includes('gpu_present'));
        // From 1000 on, which no driver has: one row each.
        fake.event(0, { type: 0x8, data: 1000, repeat: 300, step: 1 });
        const text = await until(async () => {
          const current = await scrape();
          return (valuesOf(current, 'gpu_xid_dropped_total')[0] ?? 0) > 0 && current;
        });
        expect(valuesOf(text, 'gpu_xid_total').length).toBe(256);
      });
    });
  });
});

describe('what is not known of a GPU', () => {
  const SELF = { agentRestarts: 0, app: null };
  const NONE = { devices: [], findings: [], restartHelps: null, xids: [], xidsDropped: 0, calls: [] };

  test('is left out', async () => {
    const device = gpuDevice({ model: null, powerMw: null, recoveryAction: null, sampledAtMs: null });
    const text = await renderText(metricsInput({ gpu: { ...NONE, devices: [device] } }), SELF);
    expect(names(text)).toEqual([
      'gpu_present',
      'gpu_used',
      'gpu_memory_used_bytes',
      'gpu_memory_total_bytes',
      'gpu_utilization_ratio',
      'gpu_temperature_celsius',
      'gpu_ecc_uncorrected',
      'gpu_xid_dropped_total',
    ]);
    expect(samplesOf(text, `${PREFIX}gpu_present`)).toEqual(new Map([['{uuid="GPU-1",index="0"}', 1]]));
  });

  test('is everything but its absence, once it is gone', async () => {
    const text = await renderText(
      metricsInput({ gpu: { ...NONE, devices: [gpuDevice({ present: false })] } }),
      SELF,
    );
    expect(names(text)).toEqual(['gpu_present', 'gpu_used', 'gpu_xid_dropped_total']);
    expect(valuesOf(text, 'gpu_present')).toEqual([0]);
  });

  test('never makes one series of two: the rows of one XID are summed, findings named once', async () => {
    const row = { uuid: 'GPU-1', index: 0, xid: 31, isSxid: false, count: 2 };
    const finding = { code: 'gpu.xid.31', uuid: null, index: null };
    const gpu = { ...NONE, xids: [row, { ...row, count: 3 }], findings: [finding, finding] };
    const text = await renderText(metricsInput({ gpu }), SELF);
    expect(valuesOf(text, 'gpu_xid_total')).toEqual([5]);
    expect(valuesOf(text, 'gpu_finding')).toEqual([1]);
    expect(promtoolComplaint(text)).toBeNull();
  });
});
