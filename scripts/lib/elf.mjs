import { execFileSync } from 'node:child_process';

/** Newest glibc that a shipped binary may ask for: that of Debian 12, Ubuntu 22.04 and RHEL 9 is 2.34 or newer. */
export const GLIBC_FLOOR = '2.34';

/**
 * What a shared object asks of the system that loads it; versions as `GLIBC_2.34`.
 * @param {string} file
 * @returns {{ machine: string, libraries: string[], versions: string[] }}
 */
export function readNeeds(file) {
  const text = execFileSync('readelf', ['--wide', '--file-header', '--dynamic', '--version-info', file], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const all = (pattern) => [...new Set(Array.from(text.matchAll(pattern), ([, name]) => name))].sort();
  return {
    machine: all(/Machine:\s+(.+)/g)[0],
    libraries: all(/\(NEEDED\).*\[(.+)\]/g),
    versions: all(/Name: (\S+)\s+Flags:/g),
  };
}

/**
 * Versions beyond the floor: newer glibc, or anything of libstdc++, which is linked in so that none is asked for.
 * @param {string[]} versions
 */
export function beyondFloor(versions) {
  const isNewer = (name) => {
    const version = name.replace('GLIBC_', '');
    return version.localeCompare(GLIBC_FLOOR, 'en', { numeric: true }) > 0;
  };
  return versions.filter(
    (name) => /^(GLIBCXX|CXXABI)_/.test(name) || (name.startsWith('GLIBC_') && isNewer(name)),
  );
}
