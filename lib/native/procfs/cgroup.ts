import { REASON } from '../layout.js';
import { type Fact, fact, isKnown, noFact } from './fact.js';
import { fieldsOf, findNumber, parseUnsigned } from './text.js';

export interface CgroupMembership {
  readonly isV2: boolean;
  readonly controllers: readonly string[];
  readonly path: string;
}

/** A line of /proc/self/cgroup. */
export function parseMembership(line: string): CgroupMembership | null {
  const match = /^(\d+):([^:]*):(\/.*)$/.exec(line);
  if (match === null) return null;
  const [, id, controllers = '', path = ''] = match;
  return { isV2: Number(id) === 0 && controllers === '', controllers: controllers.split(','), path };
}

export interface CgroupMount {
  readonly isV2: boolean;
  readonly controllers: readonly string[];
  readonly root: string;
  readonly point: string;
}

function decodePath(escaped: string): string {
  return escaped.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8) & 255),
  );
}

/** A line of /proc/self/mountinfo, if it mounts a cgroup file system. */
export function parseCgroupMount(line: string): CgroupMount | null {
  const dash = line.indexOf(' - ');
  if (dash < 0) return null;
  const [, , , root, point] = fieldsOf(line.slice(0, dash));
  const [type, , options = ''] = fieldsOf(line.slice(dash + 3));
  const isV2 = type === 'cgroup2';
  if (!isV2 && type !== 'cgroup') return null;
  if (!root?.startsWith('/') || !point?.startsWith('/')) return null;
  return {
    isV2,
    controllers: isV2 ? [] : options.split(','),
    root: decodePath(root),
    point: decodePath(point),
  };
}

function splitUps(path: string): { readonly ups: number; readonly names: string } {
  const [ups = ''] = /^(\/\.\.(?=\/|$))*/.exec(path) ?? [];
  return { ups: ups.length / 3, names: path.slice(ups.length).replace(/\/+$/, '') };
}

/**
 * Path from a mount of `root` to the cgroup `path`; '' also when the mount shows an ancestor but the namespace hides the
 * names in between. Null: not below that mount.
 */
export function relativePath(root: string, path: string): string | null {
  const mount = splitUps(root);
  const group = splitUps(path);
  if (mount.ups > group.ups && mount.names === '') return '';
  if (mount.ups !== group.ups || !group.names.startsWith(mount.names)) return null;
  const rest = group.names.slice(mount.names.length);
  return rest === '' || rest.startsWith('/') ? rest : null;
}

const firstField = (text: string): string => fieldsOf(text.split('\n')[0] ?? '')[0] ?? '';

export function parseCount(text: string): Fact<number> {
  const value = parseUnsigned(firstField(text));
  return isKnown(value) ? fact(value) : noFact(REASON.malformed);
}

/** Version 1 prints the largest multiple of the page size in 63 bits for "none". */
const V1_UNLIMITED = 2 ** 63 - 64 * 1024;

/** Infinity = no limit. */
export function parseLimit(text: string): Fact<number> {
  if (firstField(text) === 'max') return fact(Number.POSITIVE_INFINITY);
  const limit = parseCount(text);
  return limit.value !== null && limit.value >= V1_UNLIMITED ? fact(Number.POSITIVE_INFINITY) : limit;
}

/** cpu.max, in cores. */
export function parseCpuMax(text: string): Fact<number> {
  const [quota, period] = fieldsOf(text.split('\n')[0] ?? '');
  if (quota === 'max') return fact(Number.POSITIVE_INFINITY);
  const [quotaUs, periodUs] = [parseUnsigned(quota), parseUnsigned(period)];
  return quotaUs > 0 && periodUs > 0 ? fact(quotaUs / periodUs) : noFact(REASON.malformed);
}

/** cpu.cfs_quota_us, microseconds. */
export function parseCfsQuota(text: string): Fact<number> {
  const field = firstField(text);
  if (/^-\d+$/.test(field)) return fact(Number.POSITIVE_INFINITY);
  const quotaUs = parseUnsigned(field);
  return quotaUs > 0 ? fact(quotaUs) : noFact(REASON.malformed);
}

export interface CgroupCpuStat {
  readonly usageUs: number;
  readonly periods: number;
  readonly throttledPeriods: number;
  readonly throttledUs: number;
}

export function parseCpuStatFile(text: string): Fact<CgroupCpuStat> {
  const throttledUs = findNumber(text, 'throttled_usec');
  const stat = {
    usageUs: findNumber(text, 'usage_usec'),
    periods: findNumber(text, 'nr_periods'),
    throttledPeriods: findNumber(text, 'nr_throttled'),
    throttledUs: isKnown(throttledUs) ? throttledUs : findNumber(text, 'throttled_time') / 1e3,
  };
  return isKnown(stat.usageUs) || isKnown(stat.periods) ? fact(stat) : noFact(REASON.malformed);
}

export interface CgroupMemoryStat {
  readonly inactiveFile: number;
  readonly swap: number;
  readonly hierarchicalLimit: number;
}

export function parseMemoryStat(text: string): Fact<CgroupMemoryStat> {
  const subtree = findNumber(text, 'total_inactive_file');
  const inactiveFile = isKnown(subtree) ? subtree : findNumber(text, 'inactive_file');
  if (!isKnown(inactiveFile)) return noFact(REASON.malformed);
  return fact({
    inactiveFile,
    swap: findNumber(text, 'total_swap'),
    hierarchicalLimit: findNumber(text, 'hierarchical_memory_limit'),
  });
}
