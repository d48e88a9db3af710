// From the call of startHealth to the first answer on its port, each in a fresh process.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../scripts/lib/free-port.mjs';
import { firstAnswer } from './lib/load.mjs';
import { root } from './lib/paths.mjs';
import { interleave } from './lib/rounds.mjs';
import { formatRatio, median, medianRatio } from './lib/stats.mjs';
import { launch } from './lib/subjects.mjs';

export const question = 'How soon after the call of startHealth does the first probe get an answer?';

const titles = {
  uws: 'inference-health, uWebSockets.js',
  http: 'inference-health, node:http',
  'node-http-worker': 'a worker with a bare node:http server',
};

export async function run(bench) {
  const fifo = join(tmpdir(), `inference-health-bench-${process.pid}.fifo`);
  execFileSync('mkfifo', [fifo]);
  try {
    return await measure(bench, fifo);
  } finally {
    rmSync(fifo);
  }
}

async function measure(bench, fifo) {
  const names = Object.keys(titles).filter((name) => bench.whyNot(name) === undefined);
  const tables = [];
  const measures = {};
  for (const blocked of bench.isSmoke ? [true] : [true, false]) {
    const results = await interleave(names, { rounds: bench.pick(15, 3) }, (name) =>
      start(name, { fifo, blocked }),
    );
    const ms = (name) => results.get(name).map((each) => each.ms);
    for (const name of ['uws', 'http']) {
      const skipped = bench.whyNot(name);
      const set = (what, value) => {
        measures[`${name} ${what}, ${blocked ? 'blocked' : 'free'}`] =
          skipped === undefined ? value() : { skipped };
      };
      set('first answer ms', () => median(ms(name)));
      set('first answer ÷ bare worker', () => medianRatio(ms(name), ms('node-http-worker')));
    }
    tables.push({
      title: blocked ? "Main thread and libuv's pool blocked from the next statement on" : 'Nothing blocked',
      columns: ['', 'median', 'fastest', 'slowest', '÷ bare worker'],
      rows: names.map((name) => [
        titles[name],
        `${median(ms(name)).toFixed(1)} ms`,
        `${Math.min(...ms(name)).toFixed(1)} ms`,
        `${Math.max(...ms(name)).toFixed(1)} ms`,
        formatRatio(medianRatio(ms(name), ms('node-http-worker'))),
      ]),
    });
  }
  return { tables, measures };
}

async function start(name, { fifo, blocked }) {
  const port = await freePort();
  const file = name === 'node-http-worker' ? 'start-node-http-worker.cjs' : 'start.cjs';
  const options = JSON.stringify({ engine: name, port, fifo, blocked });
  const answer = firstAnswer(port);
  const subject = await launch(name, '/livez', [
    process.execPath,
    join(root, 'bench', 'subjects', file),
    options,
  ]);
  try {
    const { answeredAtNs } = await answer;
    if (answeredAtNs === null) throw new Error(`${name} never answered: ${subject.errors()}`);
    return { ms: (answeredAtNs - subject.calledAtNs) / 1e6 };
  } finally {
    await subject.stop();
  }
}
