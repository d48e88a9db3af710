// The checks of `npm run test:gpu`. Each returns a line of what it saw, throws where something is wrong, and throws a
// Skip where it cannot be done here.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildProgram } from './build.mjs';
import { quantile } from './native.mjs';
import { compare, smiProblem } from './smi.mjs';

export class Skip extends Error {}

const CHILD = fileURLToPath(new URL('./child.mjs', import.meta.url));
const ms = (value) => `${value.toFixed(value < 10 ? 2 : 0)} ms`;
const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
const rss = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** What the driver is and has. */
export async function inventory(gpu) {
  const { driverVersion, nvmlVersion, cudaVersion, gpus } = gpu.native.gpuText();
  const names = gpus.map(({ name, isMig }) => `${name}${isMig ? ' (MIG)' : ''}`);
  const missing = gpu
    .calls()
    .filter(({ symbol, available }) => available === 0 && symbol.startsWith('nvml'))
    .map(({ symbol }) => symbol);
  const events = gpu.devices().map(({ values }) => `0x${values.supportedEvents.toString(16)}`);
  return [
    `${names.join(', ')}; driver ${driverVersion}, NVML ${nvmlVersion}, CUDA ${cudaVersion}; init ${ms(gpu.global().initDurationMs)}`,
    `event bits ${events.join(' ')}; the last four (poison, unavailable, recovery) are 0xf000`,
    missing.length === 0 ? 'every symbol is there' : `not in this library: ${missing.join(' ')}`,
  ];
}

/** Every field against nvidia-smi. */
export async function fields(gpu) {
  const problem = smiProblem();
  if (problem !== null) throw new Skip(problem);
  const refresh = async () => {
    gpu.native.refreshGpu();
    await pause(100);
  };
  const results = await compare(() => gpu.devices().filter(({ isMig }) => !isMig), refresh);
  const wrong = results.filter(({ isComparable, isSame }) => isComparable && !isSame);
  const onlyOne = results.filter(({ isComparable }) => !isComparable);
  const list = (rows) =>
    rows.map(({ field, actual, expected }) => `${field} (ours ${actual}, nvidia-smi ${expected})`).join(', ');
  if (wrong.length > 0) throw new Error(`differ: ${list(wrong)}`);
  const compared = results.length - onlyOne.length;
  if (compared === 0) throw new Skip('nvidia-smi answered none of the fields');
  return [`${compared} values agree`, ...(onlyOne.length > 0 ? [`not on both sides: ${list(onlyOne)}`] : [])];
}

/** How long the calls take, while sampling as fast as it goes. */
export async function latencies(gpu, { seconds }) {
  const before = rss();
  await pause(seconds * 1000);
  const calls = gpu.calls().filter(({ calls }) => calls > 0);
  const lines = calls
    .sort((left, right) => right.sumUs - left.sumUs)
    .map(
      ({ symbol, calls, sumUs, maxUs, buckets }) =>
        `${symbol.padEnd(46)} ${String(calls).padStart(7)} calls, mean ${(sumUs / calls).toFixed(1)} µs, ` +
        `p50 ≤ ${quantile(buckets, 0.5)}, p99 ≤ ${quantile(buckets, 0.99)}, max ${maxUs.toFixed(0)} µs`,
    );
  if (lines.length === 0) throw new Error('no call was made');
  return [`resident memory ${mib(before)} → ${mib(rss())} in ${seconds} s`, ...lines];
}

/** NVML's own memory over many samples, in a program that does nothing else. */
export async function memory(gpu, { samples, library }) {
  const program = buildProgram('soak');
  const path = library ?? gpu.native.gpuText().libraryPath;
  const { status, stdout, stderr, error } = spawnSync(program, [path, String(samples)], {
    encoding: 'utf8',
    timeout: 1_800_000,
  });
  if (status !== 0) throw new Error(error?.message ?? stderr);
  const { startKb, warmKb, endKb, microseconds } = JSON.parse(stdout);
  const grown = endKb - warmKb;
  const line =
    `${samples} samples of four values, ${(microseconds / samples).toFixed(1)} µs each: ` +
    `NVML costs ${warmKb - startKb} KiB, then grew by ${grown} KiB`;
  if (grown > 8192) throw new Error(`${line}: a leak`);
  return [line];
}

/** A kernel that stores where nothing is mapped: an application XID, while the GPU stays healthy. */
export async function faultyKernel(gpu) {
  const program = buildProgram('cuda_fault');
  const known = new Map(gpu.xids().map((row) => [`${row.gpuSlot}/${row.xid}`, row.count]));
  const startedAt = performance.now();
  const { status, stdout, stderr, error } = spawnSync(program, [], { encoding: 'utf8', timeout: 120_000 });
  if (status === 77) throw new Skip(stderr.trim());
  if (status !== 0) throw new Error(error?.message ?? `the faulty program ends with ${status}: ${stderr}`);
  const fresh = () => gpu.xids().filter((row) => row.count > (known.get(`${row.gpuSlot}/${row.xid}`) ?? 0));
  const isSeen = await gpu.until(() => fresh().some(({ xid }) => [13, 31, 43, 45].includes(xid)), 10_000);
  const seen = fresh().map(({ xid, count, sources }) => `${xid} × ${count} (sources ${sources})`);
  if (!isSeen)
    throw new Error(
      `${stdout.trim()}, but no XID of 13, 31, 43, 45 within 10 s; seen: ${seen.join(', ') || 'none'}`,
    );
  const delay = performance.now() - startedAt;
  await pause(3000);
  const sick = gpu
    .devices()
    .filter(({ values }) => values.lost === 1 || values.present === 0 || values.recoveryAction > 0);
  if (sick.length > 0)
    throw new Error(`XID ${seen.join(', ')}, and then ${sick.map(({ uuid }) => uuid)} is not healthy`);
  return [
    `${stdout.trim()}; XID ${seen.join(', ')} within ${ms(delay)} of the program's start; every GPU stays healthy`,
  ];
}

/** What a user of the library sees of that fault: the finding, its metric, and readiness. */
export async function finding() {
  const program = buildProgram('cuda_fault');
  const child = spawn(process.execPath, [CHILD, 'serve'], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    const answer = await firstLine(child);
    if (answer.error !== undefined) throw new Error(answer.error);
    const get = async (path) => {
      const response = await fetch(`${answer.base}${path}`);
      return { status: response.status, text: await response.text() };
    };
    await pause(1500);
    const { status, stderr } = spawnSync(program, [], { encoding: 'utf8', timeout: 120_000 });
    if (status === 77) throw new Skip(stderr.trim());
    const deadline = Date.now() + 10_000;
    for (;;) {
      const metrics = (await get('/metrics')).text.split('\n');
      const counted = metrics.filter((line) =>
        /^inference_health_gpu_xid_total\{.*xid="(13|31|43|45)"/.test(line),
      );
      if (counted.length > 0) {
        const { reasons = [] } = JSON.parse((await get('/health')).text);
        const codes = reasons.map(({ code }) => code).filter((code) => code.startsWith('gpu.'));
        const ready = (await get('/health/ready')).status;
        // Without the kernel log nobody can tell whose fault it was.
        if (ready !== 200 && canReadKernelLog())
          throw new Error(`another process's fault makes this one not ready: ${codes}`);
        return [`${counted.join(' ')}; reasons: ${codes.join(', ') || 'none'}; ready ${ready}`];
      }
      if (Date.now() > deadline) throw new Error('no inference_health_gpu_xid_total within 10 s');
      await pause(50);
    }
  } finally {
    child.kill('SIGKILL');
  }
}

/** Every way in which a process ends, while the threads sit in NVML and in the event wait. */
export async function exits() {
  const lines = [];
  for (const [how, expected] of [
    ['natural', 0],
    ['process.exit', 3],
    ['worker', 0],
    ['SIGTERM', 'SIGTERM'],
  ]) {
    const child = spawn(process.execPath, [CHILD, how], { stdio: ['ignore', 'pipe', 'inherit'] });
    const exited = new Promise((resolve) => child.on('exit', (code, signal) => resolve(code ?? signal)));
    await firstLine(child);
    const startedAt = performance.now();
    if (how === 'SIGTERM') child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
    const outcome = await exited;
    clearTimeout(timer);
    const took = performance.now() - startedAt;
    if (outcome !== expected)
      throw new Error(`${how} ends with ${outcome} instead of ${expected} after ${ms(took)}`);
    lines.push(`${how} ${ms(took)}`);
  }
  return [lines.join(', ')];
}

/** Released means that no descriptor of the driver is open, so that the GPU can be reset or the driver updated. */
export async function release(gpu) {
  const nodes = () =>
    readdirSync('/proc/self/fd').flatMap((descriptor) => {
      try {
        const path = readlinkSync(`/proc/self/fd/${descriptor}`);
        return path.startsWith('/dev/nvidia') ? [path] : [];
      } catch {
        return [];
      }
    });
  const held = nodes().length;
  gpu.native.releaseGpu();
  if (!(await gpu.until(() => gpu.state() === 'released', 15_000)))
    throw new Error(`the state stays ${gpu.state()}`);
  const left = nodes();
  gpu.native.acquireGpu();
  if (!(await gpu.until(() => gpu.state() === 'ok', 60_000)))
    throw new Error(`acquire: the state stays ${gpu.state()}`);
  if (left.length > 0) throw new Error(`still open after the release: ${left.join(', ')}`);
  return [`${held} descriptors of /dev/nvidia* held, none after the release; taken again`];
}

/** Whether this process may read the kernel log: without it 79, 119, 120 and 154 are seen by other means only. */
export async function kernelLog(gpu) {
  if (!canReadKernelLog())
    throw new Skip('/dev/kmsg cannot be read; XIDs come from NVML and polling alone here');
  const states = ['off', 'reading', 'no permission', 'missing'];
  return [`/dev/kmsg is readable, state ${states[gpu.global().kmsgState]}`];
}

function canReadKernelLog() {
  try {
    closeSync(openSync('/dev/kmsg', 'r'));
    return true;
  } catch {
    return false;
  }
}

function firstLine(child) {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
      const end = text.indexOf('\n');
      if (end >= 0) resolve(JSON.parse(text.slice(0, end)));
    });
    child.on('exit', (code) => reject(new Error(`the child ended early with ${code}`)));
  });
}
