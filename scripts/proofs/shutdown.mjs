// npm run proof -- shutdown [--runs 50]: how soon readiness says 503 after SIGTERM while the main thread is blocked, and what
// becomes of 200 streams. Prints the figures of docs/fault-tolerance.md.
import { spawn } from 'node:child_process';
import { Agent, get } from 'node:http';
import { createConnection } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseArgs } from '../lib/parse-args.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const STREAMS = 200;
const now = () => performance.now();
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A server in a process of its own; `lines()` resolves with its next JSON line. */
function start(source) {
  const prelude = `const { startHealth } = require('./dist/cjs/index.js');
    const say = (value) => require('node:fs').writeSync(1, JSON.stringify(value) + '\\n');`;
  const child = spawn(process.execPath, ['-e', `${prelude}(async () => {${source}})();`], {
    cwd: root,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const waiting = [];
  const lines = [];
  let rest = '';
  child.stdout.on('data', (chunk) => {
    rest += chunk;
    const parts = rest.split('\n');
    rest = parts.pop();
    lines.push(...parts.map((line) => JSON.parse(line)));
    while (waiting.length > 0 && lines.length > 0) waiting.shift()(lines.shift());
  });
  return {
    child,
    line: () =>
      lines.length > 0 ? Promise.resolve(lines.shift()) : new Promise((resolve) => waiting.push(resolve)),
    exit: new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal))),
  };
}

/** Readiness over one kept-alive connection: `ask()` resolves with the status code. */
function prober(port) {
  const socket = createConnection({ port, host: '127.0.0.1', noDelay: true });
  let settle = () => undefined;
  socket.on('data', (chunk) => settle(Number(chunk.subarray(9, 12).toString())));
  return {
    ask: () =>
      new Promise((resolve) => {
        settle = resolve;
        socket.write('GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n');
      }),
    end: () => socket.destroy(),
  };
}

async function blocked(native) {
  const { child, line, exit } = start(`
    const health = await startHealth({ port: 0, host: '127.0.0.1', startupGraceMs: 0, loopUnreadyMs: 60000, shutdown: true, native: '${native}' });
    say(health.listeners[0].port);
    setInterval(() => {}, 1000);
    process.stdin.once('data', () => { say('blocking'); const end = Date.now() + 1000; while (Date.now() < end); });`);
  const probe = prober(await line());
  while ((await probe.ask()) !== 200) await pause(5);
  child.stdin.write('x');
  await line();
  await pause(20 + Math.random() * 200);
  // What a probe takes on this machine with this load, for comparison.
  const rounds = [];
  for (let i = 0; i < 10; i += 1) {
    const askedMs = now();
    await probe.ask();
    rounds.push(now() - askedMs);
  }
  const sentMs = now();
  child.kill('SIGTERM');
  // Not in a spin: with the blocked thread that would leave two cores nothing for anybody else.
  while ((await probe.ask()) !== 503) await pause(1);
  const elapsedMs = now() - sentMs;
  probe.end();
  return { elapsedMs, rounds, code: await exit };
}

function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))].toFixed(2);
}

const ask = (port, onFirst) =>
  new Promise((resolve) => {
    const agent = new Agent({ keepAlive: true });
    get({ port, host: '127.0.0.1', agent }, (response) => {
      let body = '';
      response.once('data', () => onFirst?.());
      response.on('data', (chunk) => {
        body += chunk;
      });
      const done = (error) =>
        resolve({ status: response.statusCode, headers: response.headers, body, error });
      response.on('end', () => done()).on('error', done);
    }).on('error', (error) => resolve({ status: 0, headers: {}, body: '', error }));
  });

async function streams(shutdown, tokens, tokenMs) {
  const { child, line, exit } = start(`
    const health = await startHealth({ port: 0, host: '127.0.0.1', startupGraceMs: 0, shutdown: ${JSON.stringify(shutdown)} });
    const generate = health.endpoint('generate').serve(async function* (_request, scope) {
      for (let i = 0; i < ${tokens} && !scope.signal.aborted; i += 1) {
        await new Promise((resolve) => setTimeout(resolve, ${tokenMs}));
        yield { tokens: 1 };
      }
    });
    const api = require('node:http').createServer(async (_request, response) => {
      try {
        for await (const frame of generate.call({})) {
          if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/event-stream' });
          response.write('data: t\\n\\n');
        }
        response.end('data: [DONE]\\n\\n');
      } catch (error) {
        if (response.headersSent) response.end('event: error\\ndata: ' + error.code + '\\n\\n');
        else response.writeHead(error.statusCode ?? 500, { 'retry-after': error.retryAfterSeconds ?? 1 }).end(error.code);
      }
    }).listen(0, '127.0.0.1', () => say(api.address().port));`);
  const port = await line();
  let begun = 0;
  const answers = Array.from({ length: STREAMS }, () =>
    ask(port, () => {
      begun += 1;
    }),
  );
  while (begun < STREAMS) await pause(5);
  const sentMs = now();
  child.kill('SIGTERM');
  await pause(100);
  const late = [];
  let isOver = false;
  const all = Promise.all(answers).finally(() => {
    isOver = true;
  });
  while (!isOver) {
    const answer = await ask(port);
    if (!isOver) late.push(answer);
    await pause(10);
  }
  const settled = await all;
  const code = await exit;
  return {
    complete: settled.filter(({ body, error }) => !error && body.endsWith('[DONE]\n\n')).length,
    errors: settled.filter(
      ({ body, error }) => !error && body.endsWith('event: error\ndata: ERR_DRAINING\n\n'),
    ).length,
    silent: settled.filter(({ error }) => error).length,
    late: late.length,
    lateRefused: late.filter(({ status, headers }) => status === 503 && headers['retry-after']).length,
    exitCode: code,
    seconds: ((now() - sentMs) / 1000).toFixed(2),
  };
}

export async function prove(args) {
  const { values } = parseArgs({ args, options: { runs: { type: 'string', default: '50' } } });
  const runs = Number(values.runs);
  let isOk = true;
  for (const native of ['auto', 'off']) {
    const results = [];
    for (let i = 0; i < (native === 'auto' ? runs : Math.min(5, runs)); i += 1)
      results.push(await blocked(native));
    const times = results.map(({ elapsedMs }) => elapsedMs);
    const rounds = results.flatMap((result) => result.rounds);
    const codes = new Set(results.map(({ code }) => code));
    console.log(
      `SIGTERM to readiness 503, main thread blocked, native ${native}, ${results.length} runs: ` +
        `p50 ${quantile(times, 0.5)} ms, p99 ${quantile(times, 0.99)} ms, max ${quantile(times, 1)} ms ` +
        `(one probe: p50 ${quantile(rounds, 0.5)}, p99 ${quantile(rounds, 0.99)} ms); exit codes ${[...codes]}`,
    );
    isOk &&= codes.size === 1 && codes.has(0);
    // The probe that brings the answer takes its time too, on a machine that is busy otherwise.
    if (native === 'auto') isOk &&= Number(quantile(times, 0.99)) < 10 + Number(quantile(rounds, 0.99));
  }
  const drained = await streams({}, 20, 100);
  console.log(`${STREAMS} streams and SIGTERM:`, JSON.stringify(drained));
  isOk &&= drained.complete === STREAMS && drained.lateRefused === drained.late && drained.exitCode === 0;
  const cut = await streams({ gracePeriodMs: 2000 }, 20, 500);
  console.log(`${STREAMS} streams and SIGTERM with a deadline of 2 s:`, JSON.stringify(cut));
  isOk &&= cut.errors === STREAMS && cut.silent === 0 && cut.exitCode === 75;
  return isOk;
}
