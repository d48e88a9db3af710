// Starts and closes health again and again, and beside it as many empty workers as a control: what a start leaves behind
// must be nothing that an empty worker does not leave behind too. `npm run test:soak -- [rounds] [engine]`
import { fork } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { get } from 'node:http';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

/** Rounds before the first measurement: allocator arenas, compiled code and lazily opened descriptors settle. */
const WARM_UP = 10;
const RSS_SLACK_MIB = 16;
/**
 * By default glibc keeps what ended threads gave back, in as many as eight arenas a core: RSS climbs for some seven hundred
 * starts and is flat from then on, while the bytes in use (mallinfo2) stay within 0.2 MiB. So that a leak shows and the
 * allocator's stock does not: one arena, large blocks mapped on their own, free memory given back at once.
 */
const NO_STOCK = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: '65536',
  MALLOC_TRIM_THRESHOLD_: '65536',
};

const [role = 'parent', roundsText = '2000', engine = 'auto'] =
  process.argv[2] === '--role' ? process.argv.slice(3) : ['parent', ...process.argv.slice(2)];
const rounds = Number(roundsText);
let usedEngine = 'none';

if (role === 'parent') await compare();
else await run(role);

async function compare() {
  const control = await measure('control');
  const subject = await measure('health');
  const grown = (kind) => ((kind.after.rssKib - kind.before.rssKib) / 1024).toFixed(1);
  console.log(`rounds ${rounds}, engine ${subject.engine}`);
  console.log(
    `health : fds ${subject.before.fds} -> ${subject.after.fds}, threads ${subject.before.threads} -> ${subject.after.threads}, RSS +${grown(subject)} MiB`,
  );
  console.log(
    `control: fds ${control.before.fds} -> ${control.after.fds}, threads ${control.before.threads} -> ${control.after.threads}, RSS +${grown(control)} MiB`,
  );
  const problems = [];
  if (subject.after.fds > subject.before.fds) problems.push('descriptors leak');
  if (subject.after.threads > subject.before.threads) problems.push('threads leak');
  if (Number(grown(subject)) > Math.max(0, Number(grown(control))) + RSS_SLACK_MIB)
    problems.push('memory grows more than for empty workers');
  for (const problem of problems) console.error(`FAILED: ${problem}`);
  process.exitCode = problems.length > 0 ? 1 : 0;
}

/** Each in a fresh process. */
function measure(kind) {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), ['--role', kind, String(rounds), engine], {
      execArgv: ['--expose-gc'],
      env: { ...process.env, ...NO_STOCK },
    });
    let result;
    child.on('message', (message) => {
      result = message;
    });
    child.on('exit', (code) =>
      code === 0 && result ? resolve(result) : reject(new Error(`${kind} ended with ${code}`)),
    );
  });
}

async function run(kind) {
  const once = kind === 'control' ? emptyWorker : health;
  for (let round = 0; round < WARM_UP; round += 1) await once();
  const before = await usage();
  for (let round = 0; round < rounds; round += 1) {
    await once();
    // Otherwise the young generation grows with what is allocated, by as much as 30 MiB, and is never given back.
    if (round % 50 === 49) globalThis.gc();
  }
  const after = await usage();
  process.send({ before, after, engine: kind === 'control' ? 'none' : usedEngine });
  process.disconnect();
}

async function usage() {
  // Closed threads and sockets disappear asynchronously.
  // Backing stores are swept by a thread of its own after the collection.
  for (let i = 0; i < 3; i += 1) {
    await new Promise((resolve) => setTimeout(resolve, 300));
    globalThis.gc();
  }
  await new Promise((resolve) => setTimeout(resolve, 300));
  const rss = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))[1];
  return {
    fds: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
    rssKib: Number(rss),
  };
}

function emptyWorker() {
  return new Promise((resolve) => {
    new Worker('', { eval: true }).on('exit', resolve);
  });
}

async function health() {
  const { startHealth } = createRequire(import.meta.url)('../../dist/cjs/index.js');
  const running = await startHealth({ port: 0, host: '127.0.0.1', httpEngine: engine });
  usedEngine = running.httpEngine;
  const { port } = running.listeners[0];
  await new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', path: '/health', agent: false }, (answer) =>
      answer.resume().on('end', resolve),
    ).on('error', reject);
  });
  await running.close();
}
