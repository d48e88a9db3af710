// A cgroup with a CPU quota for one process, on version 1 or 2, where this process may make one.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const PERIOD_US = 100_000;

/**
 * @param {number} cores
 * @returns {{ procs: string, throttled: () => number, remove: () => Promise<void> } | { failure: string }}
 */
export function makeCpuCgroup(cores) {
  const root = ['/sys/fs/cgroup/cpu', '/sys/fs/cgroup/cpu,cpuacct', '/sys/fs/cgroup'].find((folder) =>
    existsSync(join(folder, 'cgroup.procs')),
  );
  if (root === undefined) return { failure: 'no cgroup hierarchy is mounted' };
  const isV2 = existsSync(join(root, 'cgroup.controllers'));
  const folder = join(root, `inference-health-bench-${process.pid}`);
  try {
    if (isV2) writeFileSync(join(root, 'cgroup.subtree_control'), '+cpu');
    mkdirSync(folder);
    if (isV2) {
      writeFileSync(join(folder, 'cpu.max'), `${cores * PERIOD_US} ${PERIOD_US}`);
    } else {
      writeFileSync(join(folder, 'cpu.cfs_period_us'), String(PERIOD_US));
      writeFileSync(join(folder, 'cpu.cfs_quota_us'), String(cores * PERIOD_US));
    }
  } catch (error) {
    if (existsSync(folder)) rmdirSync(folder);
    return { failure: `a cgroup with a CPU quota cannot be made: ${error.message}` };
  }
  return {
    procs: join(folder, 'cgroup.procs'),
    throttled: () =>
      Number(/^nr_throttled (\d+)/m.exec(readFileSync(join(folder, 'cpu.stat'), 'utf8'))?.[1] ?? 0),
    async remove() {
      // The kernel lets go of a killed process a moment after its exit was reported.
      for (let attempt = 0; attempt < 50 && existsSync(folder); attempt++) {
        try {
          rmdirSync(folder);
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    },
  };
}

/** Removes what an interrupted run left. */
export function removeStaleCgroups() {
  for (const root of ['/sys/fs/cgroup/cpu', '/sys/fs/cgroup/cpu,cpuacct', '/sys/fs/cgroup']) {
    if (!existsSync(root)) continue;
    for (const name of readdirSync(root)) {
      const owner = /^inference-health-bench-(\d+)$/.exec(name)?.[1];
      if (owner === undefined || existsSync(`/proc/${owner}`)) continue;
      try {
        rmdirSync(join(root, name));
      } catch {
        // Still in use; the next run tries again.
      }
    }
  }
}
