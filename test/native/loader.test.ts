import { copyFileSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadNative, loadNativeFrom } from '../../lib/native/loader.js';

const ROOT = join(import.meta.dirname, '../..');
// From the build: it loads the fallback lazily, by a path that only the build has.
const { openSource } = createRequire(import.meta.url)(
  join(ROOT, 'dist/cjs/native/source.js'),
) as typeof import('../../lib/native/source.js');
const ADDON = join(ROOT, 'build/Release/inference_health.node');
const platform = `${process.platform}-${process.arch}`;
let root: string;

function place(path: string, content: string | null, modified: number): string {
  const full = join(root, path);
  mkdirSync(dirname(full), { recursive: true });
  if (content === null) copyFileSync(ADDON, full);
  else writeFileSync(full, content);
  utimesSync(full, modified, modified);
  return full;
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'inference-health-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true });
});

describe('the loader', () => {
  it('finds the addon of this checkout', () => {
    const { native, path, report } = loadNative();
    expect(native?.abi).toBe(1);
    expect(path).toMatch(/\.node$/);
    expect(report).toBe('');
  });

  it('takes a prebuilt binary under every name that prebuildify gives', () => {
    for (const name of [
      'inference-health.node',
      'inference-health.glibc.node',
      'inference-health.armv8.node',
    ]) {
      const path = place(`prebuilds/${platform}/${name}`, null, 1);
      expect(loadNativeFrom(root)).toMatchObject({ path, report: '' });
      rmSync(path);
    }
  });

  it('prefers the newer of a prebuilt and a local build', () => {
    const prebuilt = place(`prebuilds/${platform}/inference-health.node`, null, 1000);
    const local = place('build/Release/inference_health.node', null, 2000);
    expect(loadNativeFrom(root).path).toBe(local);
    utimesSync(prebuilt, 3000, 3000);
    expect(loadNativeFrom(root).path).toBe(prebuilt);
  });

  it('goes on to the next binary when one is broken, and says so only if none is left', () => {
    const broken = place(`prebuilds/${platform}/inference-health.node`, 'not an ELF file', 2000);
    const local = place('build/Release/inference_health.node', null, 1000);
    expect(loadNativeFrom(root)).toMatchObject({ path: local, report: '' });
    rmSync(local);
    const { native, report } = loadNativeFrom(root);
    expect(native).toBeNull();
    expect(report).toContain(broken);
    expect(report).toMatch(/file too short|invalid ELF header/);
  });

  it('refuses an addon of another interface', () => {
    // A folder of that name is loaded as a module, which stands in for an addon from another version.
    place('build/Release/inference_health.node/index.js', 'exports.abi = 99;', 1000);
    const { native, report } = loadNativeFrom(root);
    expect(native).toBeNull();
    expect(report).toContain('built for interface 99, this version needs 1');
  });

  it('explains what it looked for, what is needed and what to do', () => {
    const { native, path, report } = loadNativeFrom(root);
    expect(native).toBeNull();
    expect(path).toBeNull();
    expect(report).toContain(`no native addon for ${platform}, Node ${process.version}`);
    expect(report).toContain(join(root, 'prebuilds'));
    expect(report).toContain('glibc 2.34');
    expect(report).toContain('cmake-js compile');
    expect(report).toContain('INFERENCE_HEALTH_NATIVE=off');
  });

  it('tells a checkout to build, and bundled code to stay outside the bundle', () => {
    place('scripts/build-native.mjs', '', 1);
    expect(loadNativeFrom(root).report).toContain('npm run build');
    expect(loadNativeFrom(null).report).toContain('external');
  });

  it('finds nothing when it is turned off by the environment', () => {
    vi.stubEnv('INFERENCE_HEALTH_NATIVE', 'off');
    expect(loadNative()).toMatchObject({
      native: null,
      report: expect.stringContaining('INFERENCE_HEALTH_NATIVE'),
    });
  });

  it('throws only where the addon is demanded', () => {
    vi.stubEnv('INFERENCE_HEALTH_NATIVE', 'off');
    const options = { root: '/', hz: 1, perCore: false, heartbeat: null };
    expect(openSource({ ...options, native: 'auto' }).native).toBe(false);
    expect(() => openSource({ ...options, native: 'required' })).toThrow(
      expect.objectContaining({ code: 'ERR_NATIVE_LOAD' }),
    );
  });
});
