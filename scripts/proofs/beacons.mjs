// What it costs a frontend to know N workers: CPU a beacon and memory a worker, over a connection to each and over NATS, and
// what happens when NATS is killed: how long until all are heard again, and whether anybody is taken for dead.
//
//   npm run proof -- beacons [--workers 1000] [--seconds 10]
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../lib/free-port.mjs';
import { parseArgs } from '../lib/parse-args.mjs';

const { startFrontend } = createRequire(import.meta.url)('../../dist/cjs/index.js');
const script = fileURLToPath(new URL('lib/beacon-fleet.mjs', import.meta.url));

/** @returns {Promise<boolean>} whether it holds */
export async function prove(args) {
  const { values } = parseArgs({
    args,
    options: {
      workers: { type: 'string', default: '1000' },
      seconds: { type: 'string', default: '10' },
    },
  });
  const [count, seconds] = [Number(values.workers), Number(values.seconds)];
  const rows = [];
  rows.push(await measure('HTTP', count, seconds, {}));
  const port = await freePort();
  let nats = await startNats(port);
  const url = `nats://127.0.0.1:${port}`;
  try {
    const options = { events: { servers: url }, beacons: 'nats' };
    const row = await measure('NATS', count, seconds, options, url, nats, async (frontend, fleet) => {
      nats.kill('SIGKILL');
      const killedMs = performance.now();
      const worst = { suspect: 0, out: 0 };
      let heardMs = null;
      while (performance.now() - killedMs < 8000) {
        await sleep(100);
        const members = frontend.workers();
        const of = (condition) => members.filter((member) => member.condition === condition).length;
        worst.suspect = Math.max(worst.suspect, of('suspect'));
        worst.out = Math.max(
          worst.out,
          of('frozen') + of('hung') + members.filter(({ isEjected }) => isEjected).length,
        );
        fleet.send('readers');
        const [{ readers }] = await once(fleet, 'message');
        if (readers === count) heardMs ??= performance.now() - killedMs;
      }
      nats = await startNats(port);
      console.log(
        `NATS killed: all ${count} workers heard over HTTP after ${heardMs === null ? '(not)' : `${(heardMs / 1000).toFixed(1)} s`}, suspect at most ${worst.suspect}, taken for dead or ejected at most ${worst.out}`,
      );
      return heardMs !== null && worst.out === 0;
    });
    rows.push(row);
  } finally {
    nats.kill('SIGKILL');
  }
  console.log(`\n${count} workers, 4 beacons a second each, ${seconds} s\n`);
  console.log(
    '| way | CPU of the frontend a beacon | of one core, 1000 workers | memory a worker | CPU of nats-server a beacon |',
  );
  console.log('|---|---|---|---|---|');
  for (const { way, microseconds, kib, server } of rows)
    console.log(
      `| ${way} | ${microseconds.toFixed(1)} µs | ${((microseconds * 4000) / 1e4).toFixed(1)} % | ${kib.toFixed(0)} KiB | ${server === null ? '' : `${server.toFixed(1)} µs`} |`,
    );
  return rows.every(({ holds }) => holds);
}

async function measure(way, count, seconds, options, natsUrl, nats, after = async () => true) {
  const fleet = fork(script, [String(count), ...(natsUrl === undefined ? [] : [natsUrl])]);
  const [{ urls }] = await once(fleet, 'message');
  const before = memory();
  const frontend = await startFrontend({
    port: 0,
    discovery: false,
    events: false,
    ...options,
    workers: urls,
  });
  try {
    while (!frontend.workers().every(({ state }) => state === 'serving')) await sleep(100);
    await sleep(3000);
    const kib = (memory() - before) / 1024 / count;
    const cpu = process.cpuUsage();
    const natsTicks = nats === undefined ? 0 : ticks(nats.pid);
    await sleep(seconds * 1000);
    const { user, system } = process.cpuUsage(cpu);
    const beacons = count * 4 * seconds;
    const server = nats === undefined ? null : ((ticks(nats.pid) - natsTicks) * 10_000) / beacons;
    const holds = await after(frontend, fleet);
    return { way, microseconds: (user + system) / beacons, kib, server, holds };
  } finally {
    await frontend.close();
    fleet.disconnect();
    await once(fleet, 'exit');
  }
}

function memory() {
  globalThis.gc?.();
  return process.memoryUsage().rss;
}

/** CPU time in hundredths of a second. */
function ticks(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

async function startNats(port) {
  const child = spawn('nats-server', ['-a', '127.0.0.1', '-p', String(port)], {
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  for await (const text of child.stderr) if (String(text).includes('Server is ready')) break;
  child.stderr.on('error', () => undefined).resume();
  return child;
}
