// The addon's GPU part, read by name.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const STATES = ['off', 'none', 'starting', 'ok', 'unresponsive', 'released'];
const NONE_REASONS = [
  '',
  'libnvidia-ml.so.1 is not there',
  'the NVIDIA driver is not loaded',
  'there are no /dev/nvidia* nodes',
  'driver and library have different versions',
  'the container has lost access to its devices',
  'NVML does not initialise',
];

/** The addon's `gpu` exports; an Error that says what to do where there are none. */
export function loadGpu() {
  const { native, report } = require('../../../dist/cjs/native/loader.js').loadNative();
  if (native === null) throw new Error(report);
  if (native.gpu === undefined) throw new Error('the addon has no GPU part: npm run build');
  return native.gpu;
}

export function openGpu(gpu = loadGpu()) {
  const layout = gpu.layout();
  const sections = {};
  for (const name of ['gpu', 'gpus', 'xids', 'gpuCalls'])
    sections[name] = { ...layout[name], values: new Float64Array(layout[name].slots) };

  /** One row of a section as an object; of those with one row, the section. */
  function row(name, index = 0) {
    const { fields, stride, values } = sections[name];
    return Object.fromEntries(
      Object.entries(fields).map(([field, at]) => [field, values[index * stride + at]]),
    );
  }
  const read = (name) => gpu.readGpu(name, sections[name].values);

  const reader = {
    native: gpu,
    global() {
      read('gpu');
      return row('gpu');
    },
    state: () => STATES[reader.global().state] ?? 'starting',
    noneReason: () => NONE_REASONS[reader.global().noneReason] ?? 'unknown',
    device(slot) {
      read('gpus');
      return row('gpus', slot);
    },
    devices: () => gpu.gpuText().gpus.map((device) => ({ ...device, values: reader.device(device.slot) })),
    xids() {
      read('xids');
      const { slots, stride } = sections.xids;
      return Array.from({ length: slots / stride }, (_, index) => row('xids', index)).filter(
        ({ xid }) => !Number.isNaN(xid),
      );
    },
    /** By symbol: calls, errors, latencies; `buckets` are [upper bound in µs, calls]. */
    calls() {
      read('gpuCalls');
      return layout.calls.map((symbol, index) => {
        const values = row('gpuCalls', index);
        const buckets = Object.entries(values)
          .filter(([name]) => /^(le\d+|more)$/.test(name))
          .map(([name, count]) => [
            name === 'more' ? Number.POSITIVE_INFINITY : Number(name.slice(2)),
            count,
          ]);
        return { symbol, ...values, buckets };
      });
    },
    async until(condition, timeoutMs) {
      const deadline = Date.now() + timeoutMs;
      while (!condition()) {
        if (Date.now() > deadline) return false;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      return true;
    },
  };
  return reader;
}

/** Upper bound of the bucket in which the quantile falls. */
export function quantile(buckets, share) {
  const total = buckets.reduce((sum, [, count]) => sum + count, 0);
  let seen = 0;
  for (const [bound, count] of buckets) {
    seen += count;
    if (seen >= total * share) return bound;
  }
  return Number.NaN;
}
