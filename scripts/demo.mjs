// npm run demo: three workers, a frontend and a client that streams, while the worker behind the stream is killed, frozen and
// drained. Ends by itself; exit code 0 only if every stream came whole and as it does undisturbed.
//
//   npm run demo [-- --engine toy] [--seconds 3] [--etcd yes|no]
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from './lib/parse-args.mjs';
import { isInstalled } from './lib/tools.mjs';

const { inject, startFleet, streamCompletion } = createRequire(import.meta.url)(
  '../dist/cjs/testing/index.js',
);

const SCENES = [
  { title: 'its worker is killed (SIGKILL)', fault: 'sigkill' },
  { title: 'its worker is frozen (SIGSTOP)', fault: 'sigstop', forMs: 3000 },
  { title: 'its worker is drained (SIGTERM)', fault: 'sigterm' },
];
const LINE_MS = 700;
const SHOWN = 56;
const CONTEXT = 4096;
const MAX_TOKENS = 2000;

const { values } = parseArgs({
  options: {
    engine: { type: 'string', default: 'llama' },
    seconds: { type: 'string', default: '3' },
    etcd: { type: 'string', default: isInstalled('etcd') ? 'yes' : 'no' },
  },
});
const seconds = Number(values.seconds);
if (
  !['llama', 'toy'].includes(values.engine) ||
  !(seconds > 0 && seconds <= 60) ||
  !['yes', 'no'].includes(values.etcd)
) {
  console.error('usage: npm run demo [-- --engine llama|toy] [--seconds 3] [--etcd yes|no]');
  process.exit(64);
}

const startedMs = Date.now();
const say = (who, text) =>
  console.log(`${((Date.now() - startedMs) / 1000).toFixed(1).padStart(5)} s  ${who.padEnd(10)} ${text}`);

const isEtcd = values.etcd === 'yes';
const engine = values.engine === 'llama' ? 'llama.cpp' : 'a toy engine';
say(
  '',
  `starting ${isEtcd ? 'etcd, ' : ''}three workers (${engine}) and a frontend, each a process of its own`,
);
const fleet = await startFleet({
  workers: 3,
  worker:
    values.engine === 'llama'
      ? { engine: 'llama', args: ['--context-size', String(CONTEXT)] }
      : { engine: 'toy', tokenMs: 5 },
  ...(isEtcd ? { etcd: 1 } : {}),
});
let isWhole = false;
try {
  isWhole = await play(fleet);
} finally {
  await fleet.close();
}
process.exit(isWhole ? 0 : 1);

async function play(fleet) {
  for (const { name, url, process } of [...fleet.workers, ...fleet.frontends])
    say(name, `process ${process.pid} at ${url}`);
  const body = { prompt: 'it was a bright cold day in april', max_tokens: await fittingLength(fleet) };
  say('client', `streams ${body.max_tokens} tokens once in peace, to know the right text`);
  const wanted = await streamCompletion(fleet.urls[0], body);
  if (!wanted.isDone || wanted.error !== null)
    throw new Error(`the undisturbed stream failed: ${wanted.error}`);
  say('client', `has it: ${wanted.text.length} characters in ${took(wanted)}`);
  const rows = [];
  for (const scene of SCENES) {
    await fleet.isWhole();
    console.log(`\n--- a stream, and ${scene.title} ---`);
    rows.push(await watch(fleet, body, wanted.text, scene));
  }
  console.log('\n--- summary ---');
  for (const { title, got, isSame, moves, to } of rows) {
    const text = isSame ? 'the same text' : 'ANOTHER TEXT';
    const end = got.isDone && got.error === null ? 'whole' : `CUT OFF (${got.error})`;
    console.log(
      `${title.padEnd(32)} ${end}, ${text}, moved ${moves} × (to ${to}), longest silence ${Math.round(got.longestGapMs)} ms`,
    );
  }
  const isAll = rows.every(
    ({ got, isSame, moves }) => got.isDone && got.error === null && isSame && moves > 0,
  );
  console.log(isAll ? 'every stream was whole' : 'NOT every stream was whole');
  return isAll;
}

/** So many tokens that the stream takes as long as a person can watch, on whatever machine this is. */
async function fittingLength(fleet) {
  const probe = await streamCompletion(fleet.urls[0], { prompt: 'how fast is it', max_tokens: 200 });
  const ms = Math.max(1, probe.endedMs - probe.firstTextMs);
  return Math.min(MAX_TOKENS, Math.max(100, Math.round((200 / ms) * seconds * 1000)));
}

async function watch(fleet, body, wanted, { title, fault, forMs }) {
  let worker = '';
  let text = '';
  let shownMs = 0;
  let moves = 0;
  const off = fleet.timeline.on(({ message, fields, source }) => {
    if (message === 'stream moves') {
      moves += 1;
      say(source, `the stream leaves ${fields.from} (${fields.outcome}) behind token ${fields.tokens}`);
    } else if (message === 'stream goes on') {
      worker = fields.to;
      shownMs = Date.now();
      // Of the same moment as the line that says why, and to be read behind it.
      setTimeout(say, 30, source, `the stream goes on at ${fields.to}`);
    } else if (['process ended', 'serves again'].includes(message)) {
      const { code, signal } = fields;
      say(
        source,
        `${message}${code === undefined && signal === undefined ? '' : `: ${signal ?? `exit code ${code}`}`}`,
      );
    }
  });
  let act = () => undefined;
  const reached = new Promise((resolve) => {
    act = resolve;
  });
  const running = streamCompletion(fleet.urls[0], body, {
    onText(piece) {
      text += piece;
      if (text.length > wanted.length * 0.35) act();
      if (worker === '' || Date.now() - shownMs < LINE_MS) return;
      shownMs = Date.now();
      say(worker, `…${JSON.stringify(text.slice(-SHOWN)).slice(1, -1)}`);
    },
  });
  while (worker === '' && !(await isOver(running))) {
    const counts = await fleet.inFlight();
    worker = [...counts].find(([, count]) => count > 0)?.[0] ?? '';
  }
  await Promise.race([reached, running]);
  say('', `>>> ${title.replace('its worker', worker)}`);
  const { undo } = await inject(fleet, { atMs: 0, fault, target: worker }, Math.random);
  const { starts } = fleet.workers.find(({ name }) => name === worker);
  const struck = fleet.workers.find(({ name }) => name === worker);
  const got = await running;
  if (forMs !== undefined) await sleep(Math.max(0, forMs - (got.endedMs - got.startedMs)));
  await undo?.();
  if (forMs === undefined) await struck.serves(starts + 1);
  const isSame = got.text === wanted;
  say(
    'client',
    `${got.isDone ? 'whole' : 'cut off'}, ${isSame ? 'the same text' : 'another text'}, longest silence ${Math.round(got.longestGapMs)} ms`,
  );
  off();
  return { title, got, isSame, moves, to: worker };
}

async function isOver(running) {
  return (await Promise.race([running, sleep(20, 'running')])) !== 'running';
}

function took({ startedMs, endedMs }) {
  return `${((endedMs - startedMs) / 1000).toFixed(1)} s`;
}
