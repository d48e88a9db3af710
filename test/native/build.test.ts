import { execFile, execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { loadNative } from '../../lib/native/loader.js';

const ROOT = join(import.meta.dirname, '../..');
const BUILD_LIMIT_MS = 180_000;
const run = promisify(execFile);
const sources = readFileSync(join(ROOT, 'native/sources.txt'), 'utf8').trim().split('\n');

/** Loads it in a process of its own: this one has the addon already. */
function layoutOf(addon: string): unknown {
  const source = 'console.log(JSON.stringify(require(process.argv[1]).layout()))';
  return JSON.parse(execFileSync(process.execPath, ['-e', source, addon], { encoding: 'utf8' }));
}

/** The helper of `gpu.isolation: 'process'` is looked for beside the addon. */
function helperBeside(addon: string): { readonly status: number | null; readonly usage: string } {
  const { status, stderr } = spawnSync(join(dirname(addon), 'inference-health-gpu'), { encoding: 'utf8' });
  return { status, usage: stderr?.split('\n')[0] ?? '' };
}
const HELPER_USAGE = 'inference-health-gpu --file PATH [--library PATH] [--kmsg PATH]';

function compiledSources(folder: string): string[] {
  const commands = JSON.parse(readFileSync(join(folder, 'compile_commands.json'), 'utf8')) as {
    file: string;
  }[];
  return commands
    .map(({ file }) => file.slice(ROOT.length + 1))
    .filter((file) => !file.startsWith('native/test/'));
}

describe('the two build systems', () => {
  it('share one list, which leaves out no source of a folder', () => {
    for (const folder of new Set(sources.map(dirname))) {
      const all = readdirSync(join(ROOT, folder)).filter((file) => file.endsWith('.cc'));
      expect(sources.filter((source) => dirname(source) === folder)).toEqual(
        all.map((file) => `${folder}/${file}`).sort(),
      );
    }
    expect(readFileSync(join(ROOT, 'binding.gyp'), 'utf8')).toContain('native/sources.txt');
    const objects = ['inference_health', 'inference-health-gpu'].flatMap((target) =>
      Array.from(
        readFileSync(join(ROOT, `build/${target}.target.mk`), 'utf8').matchAll(
          /\$\(TARGET\)\/(native\/\S+)\.o/g,
        ),
        ([, name]) => `${name}.cc`,
      ),
    );
    expect([...new Set(objects)].sort()).toEqual(sources);
  });

  it(
    'plain cmake builds the same addon, and the GPU helper beside it',
    async () => {
      const folder = join(ROOT, 'build-cmake-test');
      const options = ['-DCMAKE_BUILD_TYPE=Debug', '-DCMAKE_EXPORT_COMPILE_COMMANDS=ON'];
      await run('cmake', ['-S', ROOT, '-B', folder, ...options]);
      await run('cmake', ['--build', folder, '-j', '2', '--target', 'inference_health']);
      expect(compiledSources(folder).sort()).toEqual(sources);
      const addon = join(folder, 'inference_health.node');
      expect(layoutOf(addon)).toEqual(loadNative().native!.layout());
      expect(helperBeside(addon)).toEqual({ status: 64, usage: HELPER_USAGE });
    },
    BUILD_LIMIT_MS,
  );

  it(
    'cmake-js builds the same addon, and the GPU helper beside it',
    async () => {
      const cmakeJs = join(ROOT, 'node_modules/cmake-js/bin/cmake-js');
      await run(process.execPath, [cmakeJs, 'compile', '--debug', '-O', 'build-cmakejs', '--parallel', '2'], {
        cwd: ROOT,
      });
      const addon = join(ROOT, 'build-cmakejs/Debug/inference_health.node');
      expect(layoutOf(addon)).toEqual(loadNative().native!.layout());
      expect(helperBeside(addon)).toEqual({ status: 64, usage: HELPER_USAGE });
    },
    BUILD_LIMIT_MS,
  );
});

describe('npm run build:native', () => {
  /** A checkout of its own, so that the real one's build is left alone. */
  async function withCheckout(use: (folder: string) => Promise<void>): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), 'inference-health-'));
    for (const name of ['native', 'binding.gyp', 'node_modules', 'package.json'])
      symlinkSync(join(ROOT, name), join(folder, name));
    cpSync(join(ROOT, 'scripts'), join(folder, 'scripts'), { recursive: true });
    try {
      await use(folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
  const build = (folder: string, env: NodeJS.ProcessEnv = {}): ReturnType<typeof run> =>
    run(process.execPath, [join(folder, 'scripts/build-native.mjs')], { env: { ...process.env, ...env } });

  it('says in one message what is missing, and succeeds', () =>
    withCheckout(async (folder) => {
      const { stdout, stderr } = await build(folder, {
        PATH: join(folder, 'nothing'),
        CXX: undefined,
        PYTHON: undefined,
      });
      expect(stdout).toBe('');
      expect(stderr).toContain('JavaScript fallback');
      expect(stderr).toContain('Missing: a C++20 compiler (g++ or clang++), make, python3.');
      expect(stderr).toContain('apt-get install -y --no-install-recommends g++ make python3');
      expect(existsSync(join(folder, 'build'))).toBe(false);
    }));

  it(
    'needs no network and ignores where npm was told to find headers, and does nothing the second time',
    () =>
      withCheckout(async (folder) => {
        const nowhere = 'http://127.0.0.1:9';
        const env = {
          npm_config_nodedir: '/nonexistent',
          npm_package_config_node_gyp_nodedir: '/nonexistent',
          npm_config_disturl: nowhere,
          https_proxy: nowhere,
          CXXFLAGS: '-O0',
        };
        await build(folder, env);
        const addon = join(folder, 'build/Release/inference_health.node');
        expect(layoutOf(addon)).toEqual(loadNative().native!.layout());

        const built = statSync(addon);
        const { stdout, stderr } = await build(folder, { PATH: dirname(process.execPath) });
        expect([stdout, stderr]).toEqual(['', '']);
        expect(statSync(addon).mtimeMs).toBe(built.mtimeMs);

        utimesSync(addon, 1, 1);
        await build(folder, env);
        expect(statSync(addon).mtimeMs).toBeGreaterThan(1e6);
      }),
    BUILD_LIMIT_MS,
  );
});
