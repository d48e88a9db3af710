// Streams that are open and wait for their next token nearly all the time: what each of them costs a frontend.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuTime } from './lib/load.mjs';
import { startClients, startFrontend, startWorker } from './lib/streaming.mjs';

export const question =
  'What does a stream cost a frontend while no token comes, and how many does one process hold?';

/** A token each 8 s: within the 10 s after which a silent stream would go elsewhere. */
const EVERY_MS = 8000;
/** A client's socket and a worker's, in a process of the frontend; the rest is for everything else. */
const FILES_A_STREAM = 2;
const OTHER_FILES = 200;

const PLANS = [
  { processes: 1, counts: [1000, 5000] },
  { processes: 2, counts: [10_000] },
];
const SMOKE = [{ processes: 1, counts: [200, 400] }];

export async function run(bench) {
  const seconds = bench.pick(10, 1);
  const worker = await startWorker();
  const rows = [];
  const left = [];
  try {
    for (const { processes, counts } of bench.pick(PLANS, SMOKE)) {
      const possible = counts.filter((streams) => isPossible(streams, processes));
      left.push(...counts.filter((streams) => !possible.includes(streams)));
      if (possible.length > 0) rows.push(...(await observeAll(worker, processes, possible, seconds)));
    }
  } finally {
    await worker.stop();
  }
  return report(rows, left);
}

async function observeAll(worker, processes, counts, seconds) {
  const flags = processes === 1 ? [] : ['--processes', String(processes)];
  const frontend = await startFrontend([worker.port], { flags });
  try {
    // What a first stream brings besides itself.
    await observe(frontend, 64, 1);
    const none = { processes, streams: 0, ...(await idle(frontend, seconds)) };
    const rows = [none];
    for (const streams of counts)
      rows.push({ processes, streams, none, ...(await observe(frontend, streams, seconds)) });
    return rows;
  } finally {
    await frontend.stop();
  }
}

function report(rows, left) {
  const kib = ({ streams, rssMiB, none }) => ((rssMiB - none.rssMiB) * 1024) / streams;
  const percent = ({ streams, cpuPercent, none }) => ((cpuPercent - none.cpuPercent) * 1000) / streams;
  const table = {
    columns: ['streams', 'processes', 'RSS', 'a stream', 'CPU of one core', 'of 1,000 streams'],
    rows: rows.map((row) => [
      row.streams.toString(),
      row.processes.toString(),
      `${row.rssMiB.toFixed(0)} MiB`,
      row.none === undefined ? '–' : `${kib(row).toFixed(1)} KiB`,
      `${row.cpuPercent.toFixed(2)} %`,
      row.none === undefined ? '–' : `${percent(row).toFixed(2)} %`,
    ]),
  };
  const most = rows.filter(({ processes, none }) => processes === 1 && none !== undefined).at(-1);
  const measures = { 'KiB a stream': kib(most), 'CPU % of a core, 1,000 streams': percent(most) };
  const notes = [
    `Each stream has had its first token and gets another every ${EVERY_MS / 1000} s; \`inference-health frontend\`, one worker process, clients in another. RSS over that after 64 streams have come and gone; all processes of the frontend, the one with the port too. A stream takes ${FILES_A_STREAM} file descriptors of its process, of which this machine allows ${openFiles()}.`,
    ...(left.length === 0 ? [] : [`Not possible here for want of descriptors: ${left.join(', ')} streams.`]),
  ];
  return { tables: [table], measures, notes };
}

function openFiles() {
  const [, hard] = /Max open files\s+\S+\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'));
  return Number(hard);
}

/** Clients and worker are a process each, with one descriptor a stream. */
function isPossible(streams, processes) {
  return Math.max(streams, (streams * FILES_A_STREAM) / processes) + OTHER_FILES < openFiles();
}

/** A process and those that it has started. */
function family(pid) {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean),
  );
  return [pid, ...children.flatMap((child) => family(Number(child)))];
}

async function idle({ pid }, seconds) {
  const pids = family(pid);
  const times = await Promise.all(pids.map((each) => cpuTime(each, seconds)));
  const kib = (each) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${each}/status`, 'utf8'))[1]);
  return {
    cpuPercent: times.reduce((sum, { cpuMs, seconds: elapsed }) => sum + cpuMs / elapsed / 10, 0),
    rssMiB: pids.reduce((sum, each) => sum + kib(each), 0) / 1024,
  };
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
