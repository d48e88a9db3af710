// What fault tolerance promises, measured on examples/llama.mjs with its real engine.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { sleep, timeUntil, withServer } from './server.mjs';

/** For what is no figure: a busy machine may take long. */
const LIMIT_MS = 45_000;
const PROMPT = 'it was a bright cold day in april';

/** SIGSTOP of the engine, then SIGCONT: how long until /health is 503, and then 200. */
export async function stopEngine() {
  // The documented status server alone.
  const env = { INFERENCE_HEALTH_PORT: '', DYN_SYSTEM_PORT: '0', DYN_SYSTEM_HOST: '127.0.0.1' };
  return await withServer(env, async (server) => {
    const streams = [server.generate({ prompt: PROMPT, maxTokens: 900 })];
    await Promise.all(streams.map(({ begun }) => begun));
    server.signalEngine('SIGSTOP');
    const is = (status) => async () => (await server.probe('/health')).status === status;
    const unreadyMs = await timeUntil(is(503), 30_000, '503 after SIGSTOP');
    const { body } = await server.probe('/readyz?verbose');
    const live = (await server.probe('/livez')).status;
    server.signalEngine('SIGCONT');
    const readyMs = await timeUntil(is(200), 30_000, '200 after SIGCONT');
    const outcomes = (await Promise.all(streams.map(({ ended }) => ended))).map(({ outcome }) => outcome);
    return { unreadyMs, readyMs, live, reason: /inference_engine\.\w+/.exec(body)?.[0], outcomes };
  });
}

/** SIGKILL of the engine with streams in flight: how long until the server has drained and exited, and with what. */
export async function killEngine({ streams = 20 } = {}) {
  return await withServer({}, async (server) => {
    const requests = Array.from({ length: streams }, (_, index) =>
      server.generate({ prompt: `${PROMPT} ${index}`, maxTokens: 900 }),
    );
    await Promise.all(requests.slice(0, 10).map(({ begun }) => begun));
    const start = performance.now();
    server.signalEngine('SIGKILL');
    const ended = await Promise.all(requests.map((each) => each.ended));
    const { code, atMs } = await server.exit;
    return { code, exitMs: atMs - start, outcomes: tally(ended) };
  });
}

/**
 * SIGTERM with streams in flight, and new requests behind it.
 * @param options.graceMs shorter than the streams: each that cannot finish gets an explicit error
 */
export async function drain({ streams = 220, tokens = 300, graceMs = 30_000 } = {}) {
  const env = {
    INFERENCE_HEALTH_SHUTDOWN_GRACE_PERIOD_MS: String(graceMs),
    // Of a short grace period the hooks would take half, and a late hook is exit code 75.
    ...(graceMs < 5000 ? { INFERENCE_HEALTH_SHUTDOWN_HOOK_TIMEOUT_MS: '200' } : {}),
  };
  return await withServer(env, async (server) => {
    const requests = Array.from({ length: streams }, (_, index) =>
      server.generate({ prompt: `${PROMPT} ${index}`, maxTokens: tokens }),
    );
    await timeUntil(
      async () => (await server.requests()).total_requests === streams,
      LIMIT_MS,
      'all streams are in flight',
    );
    const { active_requests: inFlight } = await server.requests();
    const start = performance.now();
    server.kill('SIGTERM');
    const unreadyMs = await timeUntil(
      async () => (await server.probe('/readyz')).status === 503,
      5000,
      '503 after SIGTERM',
    );
    // The probe thread hears of the signal first; the main thread takes requests until its own turn.
    const isRefusing = async () =>
      (await server.generate({ prompt: PROMPT, maxTokens: 1 }).ended).status === 503;
    await timeUntil(isRefusing, 5000, 'a refusal after SIGTERM');
    const late = await Promise.all(
      Array.from({ length: 5 }, () => server.generate({ prompt: PROMPT, maxTokens: 1 }).ended),
    );
    const ended = await Promise.all(requests.map((each) => each.ended));
    const { code, atMs } = await server.exit;
    return {
      code,
      inFlight,
      unreadyMs,
      exitMs: atMs - start,
      outcomes: tally(ended),
      complete: ended.filter(({ tokens: got }) => got === tokens).length,
      errors: [...new Set(ended.flatMap(({ error }) => (error === null ? [] : [error])))],
      late: late.map(({ status, retryAfter }) => ({ status, retryAfter })),
    };
  });
}

/** The main thread blocked while canaries are due every second. */
export async function blockMain({ ms = 20_000 } = {}) {
  const env = {
    BLOCK_MS: String(ms),
    INFERENCE_HEALTH_CANARY_WAIT_MS: '1000',
    INFERENCE_HEALTH_CANARY_TIMEOUT_MS: '1000',
  };
  const preload = new URL('block-on-signal.mjs', import.meta.url).href;
  return await withServer(
    env,
    async (server) => {
      await timeUntil(async () => (await server.canaries()).ok > 0, LIMIT_MS, 'a canary has passed');
      server.kill('SIGUSR2');
      const end = performance.now() + ms;
      const blockedMs = await timeUntil(
        async () => (await server.probe('/readyz')).status === 503,
        ms,
        '503 while blocked',
      );
      const reason = /event_loop\.\w+/.exec((await server.probe('/readyz?verbose')).body)?.[0];
      let probes = 0;
      let notLive = 0;
      while (performance.now() < end - 200) {
        probes += 1;
        if ((await server.probe('/livez')).status !== 200) notLive += 1;
        await sleep(50);
      }
      const readyMs = await timeUntil(
        async () => (await server.probe('/readyz')).status === 200,
        10_000,
        '200 after the block',
      );
      // More canaries, and what is counted late.
      const { ok } = await server.canaries();
      await timeUntil(async () => (await server.canaries()).ok > ok + 1, LIMIT_MS, 'canaries pass again');
      const { failed, timeout, empty } = await server.canaries();
      return {
        blockedMs,
        reason,
        probes,
        notLive,
        readyMs,
        canaryFailures: failed + timeout + empty,
        ready: (await server.probe('/readyz')).status === 200,
      };
    },
    ['--import', preload],
  );
}

/** Many requests cancelled at once, so many times: how long until the engine has stopped each. */
export async function cancelAll({ requests = 1000, rounds = 3 } = {}) {
  const program = fileURLToPath(new URL('cancels.mjs', import.meta.url));
  const child = spawn(process.execPath, [program, String(requests), String(rounds)], {
    cwd: fileURLToPath(new URL('../../..', import.meta.url)),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
  const [code] = await once(child, 'close');
  clearTimeout(timer);
  if (code !== 0) throw new Error(`cancels.mjs ended with ${code}: ${stderr}`);
  return { ...JSON.parse(stdout), warnings: stderr };
}

/** @returns {Record<string, number | undefined>} how many ended how */
function tally(ended) {
  const counts = {};
  for (const { outcome } of ended) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}
