// npm run test:gpu: the library on a host with an NVIDIA GPU. Says what it skipped and why; docs/gpu-testing.md.
//
//   --seconds N    how long to measure call latencies (default 20)
//   --samples N    samples of the memory check (default 1000000)
//   --only NAME    one step

import { openGpu } from './lib/gpu-test/native.mjs';
import * as steps from './lib/gpu-test/steps.mjs';
import { parseArgs } from './lib/parse-args.mjs';

const STEPS = {
  inventory: steps.inventory,
  fields: steps.fields,
  latencies: steps.latencies,
  memory: steps.memory,
  'kernel-log': steps.kernelLog,
  'faulty-kernel': steps.faultyKernel,
  finding: steps.finding,
  release: steps.release,
  exits: steps.exits,
};
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    samples: { type: 'string', default: '1000000' },
    only: { type: 'string' },
  },
});
if (values.only !== undefined && !(values.only in STEPS)) {
  console.error(`--only must be one of ${Object.keys(STEPS).join(', ')}, not '${values.only}'`);
  process.exit(64);
}

const counts = { passed: 0, failed: 0, skipped: 0 };
function report(outcome, name, lines) {
  counts[outcome] += 1;
  const [first = '', ...rest] = lines;
  console.log(`${{ passed: 'ok', failed: 'not ok', skipped: 'skipped' }[outcome]}: ${name}: ${first}`);
  for (const line of rest) console.log(`    ${line}`);
}

const gpu = openGpu();
gpu.native.startGpu({ fastMs: 20, mediumMs: 200, slowMs: 2000 });
await gpu.until(() => !['off', 'starting'].includes(gpu.state()), 60_000);
const isUsable = gpu.state() === 'ok';
const noGpu = `no GPU here: ${gpu.state() === 'none' ? gpu.noneReason() : `NVML is ${gpu.state()}`}`;
if (isUsable)
  await gpu.until(() => gpu.devices().every(({ values }) => !Number.isNaN(values.supportedEvents)), 20_000);

for (const [name, step] of Object.entries(STEPS)) {
  if (values.only !== undefined && values.only !== name) continue;
  try {
    if (!isUsable) throw new steps.Skip(noGpu);
    report(
      'passed',
      name,
      await step(gpu, { seconds: Number(values.seconds), samples: Number(values.samples) }),
    );
  } catch (error) {
    report(error instanceof steps.Skip ? 'skipped' : 'failed', name, [error.message]);
  }
}
gpu.native.stopGpu();
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exitCode = counts.failed > 0 ? 1 : 0;
