import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../helpers/package.js';
import { type Packed, pack } from './packed.js';

interface Manifest {
  readonly gypfile: boolean;
  readonly scripts: Record<string, string>;
  readonly bin: Record<string, string>;
  readonly exports: Record<string, unknown>;
  readonly dependencies: Record<string, string>;
  readonly optionalDependencies: Record<string, string>;
}
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest;

let packed: Packed;
beforeAll(() => {
  packed = pack();
});
afterAll(() => packed.remove());

const absent = (paths: readonly string[]) => paths.filter((path) => !packed.files.includes(path));

describe('the manifest', () => {
  it('has no script that npm would run at an installation', () => {
    const lifecycle = ['preinstall', 'install', 'postinstall', 'preprepare', 'prepare', 'postprepare'];
    expect(Object.keys(manifest.scripts).filter((name) => lifecycle.includes(name))).toEqual([]);
  });

  it('gives no package manager a reason to compile: some take a packed binding.gyp for an install script', () => {
    expect(packed.files).not.toContain('binding.gyp');
    expect(manifest.gypfile).toBe(false);
  });

  it('pins what it depends on', () => {
    const versions = { ...manifest.dependencies, ...manifest.optionalDependencies };
    for (const version of Object.values(versions)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it('points only at files that are packed', () => {
    const targets = (value: unknown): string[] =>
      typeof value === 'string' ? [value] : Object.values(value as object).flatMap(targets);
    const paths = [...targets(manifest.exports), ...Object.values(manifest.bin)];
    expect(paths.length).toBeGreaterThan(8);
    expect(absent(paths.map((path) => path.replace('./', '')))).toEqual([]);
  });
});

describe('the tarball', () => {
  it('holds what is needed to run, to compile and to read, and nothing else', () => {
    const allowed = [
      /^dist\/cjs\/.+\.(js|d\.ts)$/,
      /^dist\/cjs\/package\.json$/,
      /^dist\/esm\/(index|register|express|fastify|hono|node-http|testing)\.(js|d\.ts)$/,
      /^prebuilds\/linux-(x64|arm64)\/inference-health(\.node|-gpu)$/,
      /^native\/(?!test\/).+\.(cc|h)$/,
      /^native\/sources\.txt$/,
      /^docs\/(fleet\/)?[a-z-]+\.(md|svg)$/,
      /^examples\/(llama\/)?[a-z-]+\.mjs$/,
      /^examples\/llama\/package(-lock)?\.json$/,
      /^deploy\/(Dockerfile|(bitnet|fleet|llama|worker)\.yaml)$/,
      /^(CMakeLists\.txt|package\.json|LICENSE|README\.md|SECURITY\.md|CHANGELOG\.md)$/,
    ];
    expect(packed.files.filter((file) => !allowed.some((pattern) => pattern.test(file)))).toEqual([]);
    const rooted = ['LICENSE', 'README.md', 'SECURITY.md', 'CHANGELOG.md', 'CMakeLists.txt'];
    expect(absent(rooted)).toEqual([]);
  });

  it('has every example and manifest that its documentation links to', () => {
    const links = packed.files
      .filter((file) => file.endsWith('.md'))
      .flatMap((file) => [
        ...readFileSync(join(ROOT, file), 'utf8').matchAll(/\]\((?:\.\.\/)?((?:examples|deploy)\/[^)#]+)/g),
      ])
      .map(([, path = '']) => path);
    expect(links.length).toBeGreaterThan(3);
    expect(absent(links)).toEqual([]);
  });

  it('has the native sources that CMakeLists.txt compiles', () => {
    const sources = readFileSync(join(ROOT, 'native/sources.txt'), 'utf8').split('\n').filter(Boolean);
    expect(sources.length).toBeGreaterThan(10);
    expect(absent(sources)).toEqual([]);
  });

  it('has no compiled file whose source is gone', () => {
    const compiled = packed.files.filter((file) => /^dist\/cjs\/.+\.(js|d\.ts)$/.test(file));
    const source = (file: string) => file.replace('dist/cjs', 'lib').replace(/(\.d\.ts|\.js)$/, '.ts');
    expect(compiled.filter((file) => !existsSync(join(ROOT, source(file))))).toEqual([]);
  });

  it('stays under 1600 KiB', () => {
    expect(packed.bytes).toBeLessThan(1600 * 1024);
  });

  it.each([['publint', '--strict'], ['attw']])(
    'is clean for %s',
    (tool, ...args) => {
      const command = [join(ROOT, 'node_modules/.bin', tool), ...args, packed.tarball];
      const output = execFileSync(process.execPath, command, { cwd: ROOT, encoding: 'utf8' });
      expect(output).not.toMatch(/warning|error|💀|❌|🚭|⚠️|👺/iu);
    },
    120_000,
  );
});
