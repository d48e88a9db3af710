// From an XID, in the driver's event queue or in the kernel log, to the first 503 of /readyz. The driver is the fake of
// native/test/fake_nvml; a real one adds what it takes from the interrupt to its event.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { createFakeGpu } from '../scripts/lib/fake-gpu/fake-gpu.mjs';
import { connectProber, now } from './lib/readiness.mjs';
import { interleave } from './lib/rounds.mjs';
import { formatUs } from './lib/stats.mjs';

export const question = 'How soon after a GPU fault is the process not ready?';

const GPUS = 8;
const ENGINES = ['uws', 'http'];
const SOURCES = { nvml: 'NVML event', kmsg: 'kernel log' };
// Xid 162 takes back Xid 163, so one process can be asked many times. Neither is unhealthy by itself.
const FAULT = 163;
const CURE = 162;
/** Where merely waking a process takes so long at p99, the machine is too busy to tell. */
const BUSY_P99_MS = 2;
const XIDS = { [FAULT]: { severity: 'unhealthy' } };

export async function run(bench) {
  const cells = ENGINES.flatMap((engine) => Object.keys(SOURCES).map((source) => `${engine} ${source}`));
  const runnable = cells.filter((cell) => bench.whyNot(cell.split(' ')[0]) === undefined);
  const isFirst = goFirst(true);
  const results = await interleave(runnable, { rounds: bench.pick(5, 1) }, (cell) => {
    const [engine, source] = cell.split(' ');
    return faults(bench, engine, source);
  });
  if (isFirst) goFirst(false);

  const measures = {};
  const rows = [];
  for (const cell of cells) {
    const [engine, source] = cell.split(' ');
    const rounds = results.get(cell);
    const title = `${engine}, ${SOURCES[source]}`;
    const skipped = bench.whyNot(engine);
    const all = rounds?.flatMap(({ firstMs, laterMs }) => [firstMs, ...laterMs]);
    const echoMs = rounds?.flatMap((round) => round.echoMs);
    const busy =
      skipped === undefined && quantile(echoMs, 0.99) > BUSY_P99_MS
        ? `an echo of cat takes ${quantile(echoMs, 0.99).toFixed(1)} ms at p99 here`
        : skipped;
    measures[`${title}, p99 ms`] = busy === undefined ? quantile(all, 0.99) : { skipped: busy };
    measures[`${title}, first of a process, max ms`] =
      skipped === undefined ? Math.max(...rounds.map(({ firstMs }) => firstMs)) : { skipped };
    if (rounds === undefined) continue;
    const us = (ms) => formatUs(ms * 1000);
    rows.push([
      title,
      String(all.length),
      ...[0.5, 0.9, 0.99].map((share) => us(quantile(all, share))),
      us(Math.max(...all)),
      us(Math.max(...rounds.map(({ firstMs }) => firstMs))),
      us(quantile(echoMs, 0.99)),
    ]);
  }
  const table = {
    columns: ['', 'faults', 'p50', 'p90', 'p99', 'max', 'first of a process, max', 'p99 of an echo'],
    rows,
  };
  const notes = [
    `${GPUS} GPUs, the default tiers. The time is that from before the event is written to the arrival of the first 503, on one ` +
      'kept-alive connection that asks again 1 ms after each answer. The echo is a byte to `cat` and back, taken in turn. ' +
      (isFirst
        ? 'All of them have real-time priority: what else runs on the machine is not to be measured.'
        : 'They compete with whatever else runs on the machine.'),
  ];
  return { tables: [table], measures, notes };
}

async function faults(bench, engine, source) {
  const fake = createFakeGpu({ gpus: GPUS });
  try {
    const gpu = { library: fake.library, kmsg: fake.kmsg.path, xids: XIDS };
    return await bench.withSubject(engine, { gpu }, async (subject) => {
      await untilWatched(subject.port);
      const prober = await connectProber(subject.port, '/readyz');
      const echo = startEcho();
      try {
        const samples = [];
        const echoMs = [];
        for (let index = 0; index < bench.pick(60, 5); index++) {
          await prober.until(200);
          // Anywhere between two samples of the driver.
          await sleep(20 + 200 * Math.random());
          echoMs.push(await echo.ask());
          let writtenMs = 0;
          const seenMs = await prober.until(503, {
            act() {
              writtenMs = now();
              fake.xid(index % GPUS, FAULT, { via: [source] });
            },
          });
          samples.push(seenMs - writtenMs);
          fake.xid(index % GPUS, CURE, { via: [source] });
        }
        const [firstMs, ...laterMs] = samples;
        return { firstMs, laterMs, echoMs };
      } finally {
        prober.close();
        echo.stop();
      }
    });
  } finally {
    fake.destroy();
  }
}

/** For this process and those that it starts from now on; false where that is not allowed. */
function goFirst(isWanted) {
  const policy = isWanted ? ['--fifo', '--pid', '1'] : ['--other', '--pid', '0'];
  return spawnSync('chrt', [...policy, String(process.pid)]).status === 0;
}

function startEcho() {
  const cat = spawn('cat', { stdio: ['pipe', 'pipe', 'inherit'] });
  return {
    /** Milliseconds until what was written is back. */
    async ask() {
      const startMs = now();
      cat.stdin.write('x');
      await once(cat.stdout, 'data');
      return now() - startMs;
    },
    stop: () => cat.kill(),
  };
}

/** Until the GPUs are listed: the event set is made with the handles. */
async function untilWatched(port) {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await sleep(20)) {
    const { components } = await (await fetch(`http://127.0.0.1:${port}/health`)).json();
    if (components.gpu?.status === 'healthy') return sleep(100);
  }
  throw new Error('the GPUs were not found within 10 s');
}

function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
}
