// `npm run test:sanitize`: the C++ tests under AddressSanitizer with UndefinedBehaviorSanitizer and under ThreadSanitizer,
// then each fuzz target for some seconds. `--seconds N` (default 5) sets how long; `--only asan|tsan|fuzz` picks one step.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from './lib/parse-args.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '5' }, only: { type: 'string' } },
});
const results = { passed: 0, failed: 0 };

function run(command, args, env = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } });
  return result.status === 0;
}

function record(name, isOk) {
  results[isOk ? 'passed' : 'failed'] += 1;
  console.log(`${isOk ? 'ok' : 'not ok'}: ${name}`);
}

function build(folder, options, targets) {
  const jobs = String(Math.min(4, availableParallelism()));
  const definitions = Object.entries(options).map(([name, value]) => `-D${name}=${value}`);
  return (
    run('cmake', ['-S', '.', '-B', folder, '--log-level=WARNING', ...definitions]) &&
    run('cmake', ['--build', folder, '-j', jobs, '--target', ...targets, '--', '--quiet'])
  );
}

function testUnder(name, sanitizers, env) {
  const folder = `build-${name}`;
  const isOk =
    build(
      folder,
      { INFERENCE_HEALTH_SANITIZE: sanitizers, CMAKE_CXX_COMPILER: 'g++', CMAKE_BUILD_TYPE: 'Debug' },
      ['inference_health_tests'],
    ) &&
    run(join(root, folder, 'inference_health_tests'), [], env) &&
    // The cases of the GPU threads once more, in the helper process.
    run(join(root, folder, 'inference_health_tests'), ['gpu_s'], { ...env, GPU_ISOLATION: 'process' });
  record(`C++ tests under ${sanitizers}`, isOk);
}

function fuzz() {
  const clang = findFuzzingClang();
  if (clang === null) {
    console.log(
      'skipped: fuzz targets. They need clang++ with libFuzzer; Debian: apt-get install -y --no-install-recommends clang-19 libclang-rt-19-dev',
    );
    return;
  }
  const targets = readdirSync(join(root, 'native/test'))
    .filter((file) => /^fuzz_.*\.cc$/.test(file))
    .map((file) => file.slice(0, -'.cc'.length));
  const options = {
    INFERENCE_HEALTH_FUZZ: 'ON',
    INFERENCE_HEALTH_SANITIZE: 'address,undefined',
    CMAKE_CXX_COMPILER: clang,
    CMAKE_BUILD_TYPE: 'Debug',
  };
  if (!build('build-fuzz', options, targets)) return record('fuzz targets build', false);
  for (const target of targets) {
    const corpus = corpusOf(target);
    const isOk = run(join(root, 'build-fuzz', target), [
      `-max_total_time=${values.seconds}`,
      '-max_len=8192',
      '-timeout=5',
      '-verbosity=0',
      '-print_final_stats=1',
      `-artifact_prefix=build-fuzz/${target}-`,
      corpus,
    ]);
    record(`${target} for ${values.seconds} s`, isOk);
  }
}

// What earlier runs found stays in build-fuzz; the seeds are the files of the fake hosts.
function corpusOf(target) {
  const folder = join(root, 'build-fuzz', `${target}-corpus`);
  mkdirSync(folder, { recursive: true });
  const seeds = join(root, 'native/test/corpus', target);
  if (existsSync(seeds)) cpSync(seeds, folder, { recursive: true });
  const wanted = {
    fuzz_text: /\/(stat|meminfo|memory\.stat|cpu\.stat|limits)$/,
    fuzz_cpu: /^\/proc\/stat$/,
    fuzz_memory: /\/(meminfo|statm)$/,
    fuzz_pressure: /pressure/,
    fuzz_process: /\/(self\/stat|limits|loadavg|uptime)$/,
    fuzz_cgroup: /^\/sys\//,
  }[target];
  if (wanted === undefined) return folder;
  for (const host of readdirSync(join(root, 'test/fixtures/hosts'))) {
    const text = readFileSync(join(root, 'test/fixtures/hosts', host), 'utf8');
    for (const [index, part] of text.split(/^==> /m).slice(1).entries()) {
      const [path, ...lines] = part.split('\n');
      if (wanted.test(path.replace(/ <==$/, '')))
        writeFileSync(join(folder, `${host}-${index}`), lines.join('\n'));
    }
  }
  return folder;
}

function findFuzzingClang() {
  const names = [
    process.env.CLANGXX,
    'clang++',
    ...[22, 21, 20, 19, 18, 17, 16, 15, 14].map((version) => `clang++-${version}`),
  ];
  const source = 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }';
  for (const name of names) {
    if (name === undefined) continue;
    const args = ['-x', 'c++', '-', '-fsanitize=fuzzer,address', '-o', '/dev/null'];
    if (spawnSync(name, args, { input: source }).status === 0) return name;
  }
  return null;
}

const steps = {
  asan: () =>
    testUnder('asan', 'address,undefined', {
      ASAN_OPTIONS: 'detect_leaks=1:detect_stack_use_after_return=1',
      UBSAN_OPTIONS: 'print_stacktrace=1',
    }),
  tsan: () => testUnder('tsan', 'thread', { TSAN_OPTIONS: 'halt_on_error=1:second_deadlock_stack=1' }),
  fuzz,
};
for (const [name, step] of Object.entries(steps))
  if (values.only === undefined || values.only === name) step();
console.log(`${results.passed} passed, ${results.failed} failed`);
process.exitCode = results.failed > 0 || results.passed === 0 ? 1 : 0;
