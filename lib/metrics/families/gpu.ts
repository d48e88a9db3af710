import type { FamilySet, FamilyWriter, Labels } from '../family.js';
import type { GpuDeviceInput, GpuInput, MetricsInput } from '../input.js';

/** The GPUs, what is wrong with them, and the driver. Nothing at all where no GPU is looked at. */
export function addGpuFamilies(set: FamilySet, { gpu, nowMs }: MetricsInput): void {
  if (gpu === null) return;
  addDevices(set, gpu, nowMs);
  addFindings(set, gpu);
  addXids(set, gpu);
  set.summary(
    'gpu_driver_call_seconds',
    'Time in functions of the driver: in all, and how many calls.',
    gpu.calls.map(({ call, sumMs, count }) => ({ labels: { call }, sum: sumMs / 1000, count })),
  );
}

function addDevices(set: FamilySet, { devices }: GpuInput, nowMs: number): void {
  const each = (
    name: string,
    help: string,
    value: (device: GpuDeviceInput) => number | null,
    of: readonly GpuDeviceInput[],
  ): void => {
    const family = set.gauge(name, help);
    for (const device of of) family.add(value(device), labelsOf(device));
  };
  each('gpu_present', 'Whether the driver lists the GPU.', ({ present }) => (present ? 1 : 0), devices);
  each('gpu_used', 'Whether this process uses the GPU.', ({ used }) => (used ? 1 : 0), devices);
  // What was read of a GPU that is gone is no measurement of anything any more.
  const here = devices.filter(({ present }) => present);
  each(
    'gpu_sample_age_seconds',
    'Time since memory, utilization, temperature and power of the GPU were read.',
    ({ sampledAtMs }) => (sampledAtMs === null ? null : Math.max(0, nowMs - sampledAtMs) / 1000),
    here,
  );
  each('gpu_memory_used_bytes', 'Memory of the GPU in use.', (device) => device.memUsedBytes, here);
  each('gpu_memory_total_bytes', 'Memory of the GPU.', (device) => device.memTotalBytes, here);
  each(
    'gpu_utilization_ratio',
    'Share of time in which a kernel ran on the GPU, 0 to 1.',
    ({ utilGpuPercent }) => (utilGpuPercent === null ? null : utilGpuPercent / 100),
    here,
  );
  each('gpu_temperature_celsius', 'Temperature of the GPU.', (device) => device.temperatureC, here);
  each(
    'gpu_power_watts',
    'Power that the GPU draws.',
    ({ powerMw }) => (powerMw === null ? null : powerMw / 1000),
    here,
  );
  each(
    'gpu_ecc_uncorrected',
    'Uncorrectable memory errors since the driver loaded or the GPU was reset.',
    (device) => device.eccVolatileUncorrected,
    here,
  );
  each(
    'gpu_recovery_action',
    'Recovery action that the driver asks for, as NVML numbers it; 0 is none.',
    (device) => device.recoveryAction,
    here,
  );
}

function addFindings(set: FamilySet, { findings, restartHelps }: GpuInput): void {
  const family = addOnce(set.gauge('gpu_finding', 'Is 1 for each finding while it is present.'));
  for (const { code, uuid, index } of findings) family(1, { code, ...placeOf(uuid, index) });
  set
    .gauge(
      'gpu_restart_helps',
      'Whether a restart cures all that withdraws readiness; absent while nothing does.',
    )
    .add(restartHelps === null ? null : Number(restartHelps));
}

function addXids(set: FamilySet, { xids, xidsDropped }: GpuInput): void {
  const xid = set.counter('gpu_xid_total', 'XIDs that were seen of the GPU.');
  const sxid = set.counter('gpu_sxid_total', 'SXids that were seen of NVSwitches.');
  for (const row of summed(xids)) {
    if (row.isSxid) sxid.add(row.count, { sxid: String(row.xid) });
    else xid.add(row.count, { ...placeOf(row.uuid, row.index), xid: String(row.xid) });
  }
  set
    .counter(
      'gpu_xid_dropped_total',
      'XIDs and SXids that no series counts: there were too many different ones.',
    )
    .add(xidsDropped);
}

/** One row a series: the native block has one for each MIG instance and bus address too. */
function summed(rows: GpuInput['xids']): Iterable<GpuInput['xids'][number]> {
  const sums = new Map<string, GpuInput['xids'][number]>();
  for (const row of rows) {
    const key = `${row.isSxid ? 'sxid' : row.uuid} ${row.xid}`;
    sums.set(key, { ...row, count: row.count + (sums.get(key)?.count ?? 0) });
  }
  return sums.values();
}

/** The same series twice would cost the whole scrape. */
function addOnce(family: FamilyWriter): (value: number, labels: Labels) => void {
  const seen = new Set<string>();
  return (value, labels) => {
    const key = JSON.stringify(labels);
    if (!seen.has(key)) family.add(value, labels);
    seen.add(key);
  };
}

function labelsOf({ uuid, index, model }: GpuDeviceInput): Labels {
  return { ...placeOf(uuid, index), ...(model === null ? {} : { model }) };
}

function placeOf(uuid: string | null, index: number | null): Labels {
  return {
    ...(uuid === null ? {} : { uuid }),
    ...(index === null ? {} : { index: String(index) }),
  };
}
