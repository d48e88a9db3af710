import { existsSync } from 'node:fs';
import { REASON } from '../layout.js';
import {
  type CgroupMembership,
  type CgroupMount,
  parseCgroupMount,
  parseMembership,
  relativePath,
} from './cgroup.js';
import { type Fact, fact, noFact, type Reason } from './fact.js';
import { readLongFile } from './kept-file.js';

export type Controller = 'memory' | 'cpu' | 'cpuacct' | 'pids';
const CONTROLLERS: readonly Controller[] = ['memory', 'cpu', 'cpuacct', 'pids'];

/** Where this process is in one hierarchy. */
export interface Hierarchy {
  readonly isV2: boolean;
  /** The outermost level is the true root: no ancestor is hidden by a namespace. */
  readonly reachesRoot: boolean;
  /** Directories from the group outwards to the mount point, without the sampler's root prefix. */
  readonly levels: readonly string[];
  /** What follows the mount point. */
  readonly relative: string;
}

export interface CgroupLocation {
  readonly hasV1: boolean;
  readonly hasV2: boolean;
  readonly v2: Hierarchy | null;
  readonly cpuacct: Hierarchy | null;
  /** The hierarchy that accounts for a controller, or why there is none. */
  of(controller: Controller): Hierarchy | Reason;
  /** Equal for equal locations. */
  readonly key: string;
}

function levelsOf(mountPoint: string, relative: string): string[] {
  const point = mountPoint.replace(/\/+$/, '');
  const levels: string[] = [];
  for (let rest = relative; rest !== ''; rest = rest.slice(0, rest.lastIndexOf('/')))
    levels.push(point + rest);
  return [...levels, point];
}

/** Null when the group is not below the mount, or nothing of it is there. */
function locateIn(root: string, mount: CgroupMount, membership: CgroupMembership): Hierarchy | null {
  const relative = relativePath(mount.root, membership.path);
  if (relative === null) return null;
  const all = levelsOf(mount.point, relative);
  // Some sandboxes show the host's path but mount only their own part: then the nearest ancestor that is there counts.
  const first = all.findIndex((level) => existsSync(root + level));
  const levels = first < 0 ? [] : all.slice(first);
  const [leaf, top] = [levels[0], levels.at(-1)];
  if (leaf === undefined || top === undefined) return null;
  const isNamespaced =
    mount.isV2 && ['cgroup.type', 'memory.max'].some((name) => existsSync(`${root}${top}/${name}`));
  return {
    isV2: mount.isV2,
    reachesRoot: mount.root === '/' && !isNamespaced,
    levels,
    relative: leaf.slice(top.length),
  };
}

function readLines(root: string, name: string): Fact<string[]> {
  const text = readLongFile(`${root}/proc/self/${name}`);
  return text.value === null ? noFact(text.reason) : fact(text.value.split('\n'));
}

export function locateCgroups(root: string): CgroupLocation {
  const list = readLines(root, 'cgroup');
  if (list.value === null) return nowhere(list.reason);
  const memberships = list.value.map(parseMembership).filter((membership) => membership !== null);
  // An empty list is that of a kernel on which no hierarchy is mounted.
  if (memberships.length === 0 && list.value.join('') !== '') return nowhere(REASON.malformed);
  const mounts = (readLines(root, 'mountinfo').value ?? [])
    .map(parseCgroupMount)
    .filter((mount) => mount !== null);

  const best = (
    mountsOfIt: readonly CgroupMount[],
    membership: CgroupMembership | undefined,
  ): Hierarchy | Reason => {
    if (membership === undefined) return REASON.missing;
    const found = mountsOfIt.map((mount) => locateIn(root, mount, membership)).filter((one) => one !== null);
    // A hierarchy can be mounted several times; the mount that shows the most ancestors wins.
    const [first] = found.sort((a, b) => b.levels.length - a.levels.length);
    if (first !== undefined) return first;
    const isOutside = mountsOfIt.some((mount) => relativePath(mount.root, membership.path) === null);
    return isOutside ? REASON.unsupported : REASON.missing;
  };
  const v2 = best(
    mounts.filter((mount) => mount.isV2),
    memberships.find((membership) => membership.isV2),
  );
  const v1 = new Map(
    CONTROLLERS.map((controller) => [
      controller,
      best(
        mounts.filter((mount) => !mount.isV2 && mount.controllers.includes(controller)),
        memberships.find((membership) => !membership.isV2 && membership.controllers.includes(controller)),
      ),
    ]),
  );
  const v1Of = (controller: Controller): Hierarchy | Reason => v1.get(controller) ?? REASON.missing;
  const found = (hierarchy: Hierarchy | Reason): Hierarchy | null =>
    typeof hierarchy === 'number' ? null : hierarchy;
  return {
    hasV1: mounts.some((mount) => CONTROLLERS.some((controller) => mount.controllers.includes(controller))),
    hasV2: mounts.some((mount) => mount.isV2),
    v2: found(v2),
    cpuacct: found(v1Of('cpuacct')),
    of: (controller) => (found(v1Of(controller)) !== null || v2 === REASON.missing ? v1Of(controller) : v2),
    key: JSON.stringify([v2, ...v1]),
  };
}

function nowhere(reason: Reason): CgroupLocation {
  return { hasV1: false, hasV2: false, v2: null, cpuacct: null, of: () => reason, key: String(reason) };
}
