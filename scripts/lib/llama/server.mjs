// examples/llama.mjs as a process, and clients for it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Milliseconds until `condition` gives something true. */
export async function timeUntil(condition, limitMs, what) {
  const start = performance.now();
  for (;;) {
    if (await condition()) return performance.now() - start;
    if (performance.now() - start > limitMs) throw new Error(`not within ${limitMs} ms: ${what}`);
    await sleep(5);
  }
}

/**
 * Starts the example on free ports, hands it to `use`, and ends it and its engine.
 * @param {Record<string, string>} env
 * @param {(server: Awaited<ReturnType<typeof start>>) => Promise<T>} use
 * @param {string[]} [nodeOptions]
 * @template T
 */
export async function withServer(env, use, nodeOptions = []) {
  const server = await start(env, nodeOptions);
  try {
    return await use(server);
  } finally {
    server.kill('SIGKILL');
    // A stopped process never learns that its server has gone.
    server.signalEngine('SIGKILL');
    await server.exit;
  }
}

async function start(env, nodeOptions) {
  const child = spawn(process.execPath, [...nodeOptions, 'examples/llama.mjs'], {
    cwd: root,
    env: {
      PATH: process.env.PATH,
      PORT: '0',
      INFERENCE_HEALTH_PORT: '0',
      INFERENCE_HEALTH_HOST: '127.0.0.1',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const exit = once(child, 'close').then(([code, signal]) => ({
    code: code ?? signal,
    atMs: performance.now(),
  }));
  const lines = createInterface({ input: child.stdout });
  const line = await Promise.race([once(lines, 'line'), exit.then(() => [''])]);
  const [, app, probes, engine] = /app on port (\d+), probes on port (\d+), engine (\d+)/.exec(line[0]) ?? [];
  if (engine === undefined) throw new Error(`the example did not start: ${line[0]}${stderr}`);
  const probe = (path) => get(Number(probes), path);
  await timeUntil(async () => (await probe('/readyz')).status === 200, 45_000, 'the example is ready');
  return {
    pid: child.pid,
    app: Number(app),
    engine: Number(engine),
    probe,
    exit,
    stderr: () => stderr,
    kill: (signal) => child.kill(signal),
    signalEngine(signal) {
      try {
        process.kill(Number(engine), signal);
      } catch {
        // Gone already.
      }
    },
    generate: (body, options) => generate(Number(app), body, options),
    /** `metrics` of BitNet.rs's document: the counters of this moment. */
    requests: async () => JSON.parse((await probe('/health')).body).metrics,
    /** Test requests by outcome; `/metrics` may be a second old. */
    async canaries() {
      const { body } = await probe('/metrics');
      const series = body.matchAll(/^inference_health_canary_total\{outcome="(\w+)"\} (\d+)$/gm);
      return Object.fromEntries([...series].map(([, outcome, count]) => [outcome, Number(count)]));
    },
  };
}

function get(port, path) {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, path, agent: false, timeout: 5000 }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text) => {
        body += text;
      });
      response.on('end', () => resolve({ status: response.statusCode, body }));
      response.on('error', reject);
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer to ${path}`)));
    outgoing.on('error', reject);
    outgoing.end();
  });
}

/**
 * One streaming request. `begun` resolves with its first token or its refusal; `ended` with
 * `{ status, tokens, outcome: 'end' | 'error' | 'refused' | 'broken', retryAfter, error }`: broken is what nobody explains.
 */
function generate(port, body) {
  let outgoing;
  let begin;
  const begun = new Promise((resolve) => {
    begin = resolve;
  });
  const ended = new Promise((resolve) => {
    let status = 0;
    let retryAfter = null;
    let text = '';
    const finish = (broken) => {
      begin();
      const tokens = (text.match(/^data: {"seq"/gm) ?? []).length;
      const error = /^event: error\ndata: (.*)$/m.exec(text)?.[1] ?? (status === 200 ? null : text);
      let outcome = 'broken';
      if (text.includes('event: end\n')) outcome = 'end';
      else if (text.includes('event: error\n')) outcome = 'error';
      else if (status >= 500 && !broken) outcome = 'refused';
      resolve({ status, tokens, outcome, retryAfter, error });
    };
    const options = { host: '127.0.0.1', port, path: '/generate', method: 'POST', agent: false };
    outgoing = request(options, (response) => {
      status = response.statusCode;
      retryAfter = response.headers['retry-after'] ?? null;
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
        begin();
      });
      response.on('end', () => finish(false));
      response.on('error', () => finish(true));
    });
    outgoing.on('error', () => finish(true));
    outgoing.end(JSON.stringify(body));
  });
  return { begun, ended, leave: () => outgoing.destroy() };
}
