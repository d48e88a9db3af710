import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { NativeAddon } from './addon.js';

export interface LoadedNative {
  /** Null: use the JavaScript fallback. */
  readonly native: NativeAddon | null;
  readonly path: string | null;
  /** Why there is no addon and what to do about it, several lines for a person to read; empty when there is one. */
  readonly report: string;
}

/** The `abi` of the addon that this version of the package works with. */
export const NATIVE_ABI = 1;

const requireFile = createRequire(__filename);
let loaded: LoadedNative | undefined;

/**
 * They load Node-API addons but do not run on libuv: Bun 1.4 ends the process at the first call into it, Deno 2.9 has no
 * loop to monitor.
 */
const OTHER_RUNTIMES = ['bun', 'deno'];

/** Loads the addon, once per thread. Never throws; `INFERENCE_HEALTH_NATIVE=off` makes it find nothing. */
export function loadNative(versions: object = process.versions): LoadedNative {
  if (process.env.INFERENCE_HEALTH_NATIVE === 'off')
    return { native: null, path: null, report: 'The addon is turned off by INFERENCE_HEALTH_NATIVE=off.' };
  const runtime = OTHER_RUNTIMES.find((name) => name in versions);
  if (runtime !== undefined)
    return { native: null, path: null, report: `The addon needs libuv, which ${runtime} does not run on.` };
  loaded ??= loadNativeFrom(packageRoot());
  return loaded;
}

/** As {@link loadNative}, from the package at `root`; null when it is unknown. */
export function loadNativeFrom(root: string | null): LoadedNative {
  const tried: string[] = [];
  for (const path of root === null ? [] : candidates(root)) {
    try {
      const native = requireFile(path) as NativeAddon;
      if (native.abi === NATIVE_ABI) return { native, path, report: '' };
      tried.push(`${path}: built for interface ${native.abi}, this version needs ${NATIVE_ABI}`);
    } catch (error) {
      tried.push(`${path}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return { native: null, path: null, report: helpPage(root, tried) };
}

/**
 * The prebuilt binary, then the one that was compiled here; but the newer of the two first. In a checkout that is the one
 * that was built last, in an installed package somebody compiled on purpose after the installation.
 */
function candidates(root: string): string[] {
  const folder = join(root, 'prebuilds', `${process.platform}-${process.arch}`);
  const local = join(root, 'build', 'Release', 'inference_health.node');
  const prebuilt = existsSync(folder) ? readdirSync(folder) : [];
  return [
    ...prebuilt
      .filter((name) => name.startsWith('inference-health') && name.endsWith('.node'))
      .sort()
      .map((name) => join(folder, name)),
    ...(existsSync(local) ? [local] : []),
  ].sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
}

/**
 * dist/cjs/native in the package, lib/native in its own unit tests. Not searched for further up: a folder above that only
 * looks like the package would otherwise give this process its native code.
 */
function packageRoot(): string | null {
  return [join(__dirname, '../../..'), join(__dirname, '../..')].find(isThisPackage) ?? null;
}

function isThisPackage(folder: string): boolean {
  try {
    const manifest: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    return (manifest as { name?: unknown } | null)?.name === 'inference-health';
  } catch {
    return false;
  }
}

function helpPage(root: string | null, tried: readonly string[]): string {
  const { platform, arch, version, versions } = process;
  return [
    `inference-health: no native addon for ${platform}-${arch}, Node ${version} (Node-API ${versions.napi})${libcNote()}.`,
    'Tried:',
    ...(tried.length > 0 ? tried : [nothingToTry(root)]).map((line) => `  ${line}`),
    'The addon needs Linux on x64 or arm64 with glibc 2.34 or newer (Debian 12, Ubuntu 22.04, RHEL 9), and Node 20.9 or newer.',
    ...(root === null
      ? [
          'The code runs outside its package, as bundlers make it: mark inference-health as external in the bundler.',
        ]
      : howToGetIt(root)),
    'Without it a JavaScript sampler does the work: the same facts, more CPU time per sample, and a blocked loop is seen',
    "after 100 ms instead of 1 ms. The option native: 'off' or INFERENCE_HEALTH_NATIVE=off asks for that without this page.",
  ].join('\n');
}

function howToGetIt(root: string): string[] {
  const tools = 'apt-get install -y --no-install-recommends g++ make python3';
  if (existsSync(join(root, 'scripts', 'build-native.mjs')))
    return [`This is a checkout; to build it: ${tools} && npm run build`];
  return [
    'The package brings binaries for both; npm install inference-health@latest renews them. To compile it instead:',
    '  apt-get install -y --no-install-recommends g++ make cmake',
    `  npm install --no-save node-addon-api@8 node-api-headers cmake-js && cd ${root} && npx cmake-js compile`,
  ];
}

function nothingToTry(root: string | null): string {
  if (root === null) return `no package inference-health around ${__dirname}`;
  return `nothing in ${join(root, 'prebuilds')} for this platform, nothing in ${join(root, 'build', 'Release')}`;
}

function libcNote(): string {
  if (process.platform !== 'linux' || process.report === undefined) return '';
  // Several milliseconds, most of them for network interfaces: only asked for once the addon has failed to load.
  const report = process.report as { excludeNetwork?: boolean; getReport(): object };
  const before = report.excludeNetwork;
  if (before !== undefined) report.excludeNetwork = true;
  const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } };
  if (before !== undefined) report.excludeNetwork = before;
  return header?.glibcVersionRuntime === undefined
    ? ', without glibc'
    : `, glibc ${header.glibcVersionRuntime}`;
}
