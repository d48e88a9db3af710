import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ROOT } from '../helpers/package.js';

export interface Packed {
  /** Path of the tarball. */
  readonly tarball: string;
  readonly bytes: number;
  /** Paths inside the package. */
  readonly files: readonly string[];
  /** An empty folder of its own; everything is removed by {@link Packed.remove}. */
  folder(name: string): string;
  remove(): void;
}

/** The package as it would be published: `npm pack` of the built checkout. */
export function pack(): Packed {
  const base = mkdtempSync(join(tmpdir(), 'inference-health-package-'));
  const args = ['pack', '--ignore-scripts', '--json', '--loglevel=error', '--pack-destination', base];
  const [result] = JSON.parse(execFileSync('npm', args, { cwd: ROOT, encoding: 'utf8' })) as [
    { filename: string; size: number; files: { path: string }[] },
  ];
  return {
    tarball: join(base, result.filename),
    bytes: result.size,
    files: result.files.map(({ path }) => path),
    folder(name) {
      const folder = join(base, name);
      mkdirSync(folder);
      writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
      return folder;
    },
    remove: () => rmSync(base, { recursive: true, force: true }),
  };
}

/** `PATH` and environment in which `node` and `npm` are of this version. */
export function environmentFor(node: string): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${dirname(node)}:${process.env.PATH}` };
}

/** What a user does who allows no install scripts. */
export function install(tarball: string, folder: string, node: string): void {
  const flags = [
    '--ignore-scripts',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    '--no-package-lock',
    '--loglevel=error',
  ];
  execFileSync('npm', ['install', ...flags, tarball], {
    cwd: folder,
    env: environmentFor(node),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/** The package's files where an installation would put them, without its dependencies. */
export function extract(tarball: string, folder: string): void {
  const target = join(folder, 'node_modules/inference-health');
  mkdirSync(target, { recursive: true });
  execFileSync('tar', ['-xzf', tarball, '--strip-components=1', '-C', target]);
}
