// The other packages are installed on demand and only here: nobody who installs this project needs them.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root } from './paths.mjs';

const folder = join(root, 'bench', 'peers');

/** @returns {string | null} why the peers cannot be had, or null when they are installed */
export function installPeers() {
  const wanted = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).dependencies;
  const isInstalled = Object.entries(wanted).every(([name, version]) => installedVersion(name) === version);
  if (isInstalled) return null;
  const result = spawnSync('npm', ['ci', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund'], {
    encoding: 'utf8',
    timeout: 120_000,
  });
  if (result.status === 0) return null;
  return `npm ci --prefix bench/peers failed: ${(result.stderr ?? '').trim().split('\n').at(0) ?? result.error?.message}`;
}

export const requirePeer = createRequire(join(folder, 'package.json'));

function installedVersion(name) {
  const file = join(folder, 'node_modules', name, 'package.json');
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).version : null;
}
