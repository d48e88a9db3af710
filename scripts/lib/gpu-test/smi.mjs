// What nvidia-smi says of the same values, and how far the two may be apart: they are read one after the other.
import { spawnSync } from 'node:child_process';

const MIB = 2 ** 20;
/** Field of section `gpus` → field of nvidia-smi, its scale, and the difference that two readings may have. */
const FIELDS = [
  ['memTotalBytes', 'memory.total', MIB, MIB],
  ['memUsedBytes', 'memory.used', MIB, 64 * MIB],
  ['memFreeBytes', 'memory.free', MIB, 64 * MIB],
  ['utilGpuPercent', 'utilization.gpu', 1, 10],
  ['utilMemPercent', 'utilization.memory', 1, 10],
  ['powerMw', 'power.draw', 1000, 15_000],
  ['powerLimitMw', 'enforced.power.limit', 1000, 1000],
  ['temperatureC', 'temperature.gpu', 1, 4],
  ['memTemperatureC', 'temperature.memory', 1, 4],
  ['smClockMhz', 'clocks.sm', 1, 50],
  ['memClockMhz', 'clocks.mem', 1, 50],
  ['pState', 'pstate', 1, 0],
  ['eccVolatileCorrected', 'ecc.errors.corrected.volatile.total', 1, 1],
  ['eccVolatileUncorrected', 'ecc.errors.uncorrected.volatile.total', 1, 0],
  ['eccAggregateCorrected', 'ecc.errors.corrected.aggregate.total', 1, 1],
  ['eccAggregateUncorrected', 'ecc.errors.uncorrected.aggregate.total', 1, 0],
  ['retiredPending', 'retired_pages.pending', 1, 0],
  ['pcieGeneration', 'pcie.link.gen.current', 1, 0],
  ['pcieWidth', 'pcie.link.width.current', 1, 0],
  ['pcieMaxWidth', 'pcie.link.width.max', 1, 0],
  ['migMode', 'mig.mode.current', 1, 0],
];
const REMAPPED = [
  ['remapCorrected', 'remapped_rows.correctable'],
  ['remapUncorrected', 'remapped_rows.uncorrectable'],
  ['remapPending', 'remapped_rows.pending'],
  ['remapFailed', 'remapped_rows.failure'],
];

function ask(what, fields) {
  const { status, stdout } = spawnSync(
    'nvidia-smi',
    [`--query-${what}=${fields.join(',')}`, '--format=csv,noheader,nounits'],
    { encoding: 'utf8', timeout: 60_000 },
  );
  return status === 0
    ? stdout
        .trim()
        .split('\n')
        .map((line) => line.split(', ').map((cell) => cell.trim()))
    : null;
}

/** Why nvidia-smi cannot be asked, or null. */
export function smiProblem() {
  const { error, status } = spawnSync('nvidia-smi', ['-L'], { encoding: 'utf8', timeout: 60_000 });
  if (error !== undefined) return 'nvidia-smi is not installed';
  return status === 0 ? null : `nvidia-smi -L ends with ${status}`;
}

/** A number; Yes and Enabled are 1; P8 is 8; null where nvidia-smi has none. */
export function parseCell(cell) {
  if (/^(Yes|Enabled)$/i.test(cell)) return 1;
  if (/^(No|Disabled)$/i.test(cell)) return 0;
  const value = Number(cell.replace(/^P(\d+)$/, '$1'));
  return cell === '' || Number.isNaN(value) ? null : value;
}

/**
 * What we say and what nvidia-smi says of one field of each GPU.
 * @param devices () => [{ uuid, values }], read anew after nvidia-smi has answered
 */
function compareField(devices, what, ours, theirs, scale, tolerance, key) {
  // One field at a time: an unknown name makes the whole query fail.
  const rows = ask(what, [key, theirs]);
  return devices().map(({ uuid, values }) => {
    const cell = rows?.find(([id]) => id === uuid)?.[1];
    const theirValue = cell === undefined ? null : parseCell(cell);
    const expected = theirValue === null ? null : theirValue * scale;
    const actual = Number.isNaN(values[ours]) ? null : values[ours];
    const isComparable = expected !== null && actual !== null;
    const isSame = isComparable && Math.abs(actual - expected) <= tolerance;
    return { uuid, field: ours, actual, expected, isComparable, isSame };
  });
}

/** All fields; those that differ are asked again, `rounds` times, because clocks and power move between two readings. */
export async function compare(devices, refresh, rounds = 6) {
  const wanted = [
    ...FIELDS.map(([ours, theirs, scale, tolerance]) => ['gpu', ours, theirs, scale, tolerance, 'uuid']),
    ...REMAPPED.map(([ours, theirs]) => ['remapped-rows', ours, theirs, 1, 0, 'gpu_uuid']),
  ];
  const results = new Map();
  for (let round = 0; round < rounds; round += 1) {
    for (const field of wanted) {
      const before = results.get(field[1]);
      if (before?.every(({ isComparable, isSame }) => isSame || !isComparable)) continue;
      await refresh();
      results.set(field[1], compareField(devices, ...field));
    }
  }
  return [...results.values()].flat();
}
