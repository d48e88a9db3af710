// Streams that are open and wait for their next token nearly all the time: what each of them costs a frontend.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuTime } from './lib/load.mjs';
import { startClients, startFrontend, startWorker } from './lib/streaming.mjs';

export const question =
  'What does a stream cost a frontend while no token comes, and how many does one process hold?';

/** A token each 8 s: within the 10 s after which a silent stream would go elsewhere. */
const EVERY_MS = 8000;
/** A client's socket and a worker's; of 20,000 files the rest is for everything else. */
const FILES_A_STREAM = 2;

export async function run(bench) {
  const counts = bench.pick([1000, 5000], [200, 400]).filter(isPossible);
  const seconds = bench.pick(10, 1);
  const worker = await startWorker();
  const frontend = await startFrontend([worker.port]);
  const rows = [];
  try {
    // What a first stream brings besides itself.
    rows.push({ streams: 64, ...(await observe(frontend, 64, 1)) });
    const none = { streams: 0, ...(await idle(frontend, seconds)) };
    rows.length = 0;
    for (const streams of counts) rows.push({ streams, ...(await observe(frontend, streams, seconds)) });
    return report(none, rows);
  } finally {
    await frontend.stop();
    await worker.stop();
  }
}

function report(none, rows) {
  const most = rows.at(-1);
  const kib = ({ streams, rssMiB }) => ((rssMiB - none.rssMiB) * 1024) / streams;
  const percent = ({ streams, cpuPercent }) => ((cpuPercent - none.cpuPercent) * 1000) / streams;
  const table = {
    columns: ['streams', 'RSS', 'a stream', 'CPU of one core', 'of 1,000 streams'],
    rows: [none, ...rows].map((row) => [
      row.streams.toString(),
      `${row.rssMiB.toFixed(0)} MiB`,
      row === none ? '–' : `${kib(row).toFixed(1)} KiB`,
      `${row.cpuPercent.toFixed(2)} %`,
      row === none ? '–' : `${percent(row).toFixed(2)} %`,
    ]),
  };
  const measures = { 'KiB a stream': kib(most), 'CPU % of a core, 1,000 streams': percent(most) };
  const notes = [
    `Each stream has had its first token and gets another every ${EVERY_MS / 1000} s; \`inference-health frontend\`, one worker process, clients in another. RSS over that after 64 streams have come and gone.`,
  ];
  return { tables: [table], measures, notes };
}

function isPossible(streams) {
  const [, soft] = /Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'));
  return streams * FILES_A_STREAM + 500 < Number(soft);
}

async function idle({ pid }, seconds) {
  const { cpuMs, seconds: elapsed } = await cpuTime(pid, seconds);
  const [, kib] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return { cpuPercent: cpuMs / elapsed / 10, rssMiB: Number(kib) / 1024 };
}

async function observe(frontend, streams, seconds) {
  const clients = await startClients();
  try {
    await clients.open({ port: frontend.port, streams, everyMs: EVERY_MS, maxTokens: 1_000_000 });
    await sleep(1000);
    const observed = await idle(frontend, seconds);
    await clients.close();
    return observed;
  } finally {
    await clients.stop();
    await sleep(500);
  }
}
