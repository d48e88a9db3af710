import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import type { AgentOptions } from '../../lib/agent/client.js';
import type { StackRequest, StackResult } from '../../lib/agent/stack.js';
import type { MetricsInput } from '../../lib/metrics/input.js';
import { metricsInput, samplesOf } from '../metrics/fixtures.js';
import { promtoolComplaint } from '../metrics/promtool.js';

const require = createRequire(import.meta.url);
const { createAgent } =
  require('../../dist/cjs/agent/client.js') as typeof import('../../lib/agent/client.js');
const { createAppMetrics } =
  require('../../dist/cjs/metrics/app-registry.js') as typeof import('../../lib/metrics/app-registry.js');
const { createMetricsRoute } =
  require('../../dist/cjs/metrics/route.js') as typeof import('../../lib/metrics/route.js');

const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}.cjs`, import.meta.url));
const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

function startAgent(options: AgentOptions = {}) {
  const notices: string[] = [];
  const agent = createAgent({ deadlineMs: 20_000, onNotice: (notice) => notices.push(notice), ...options });
  cleanUps.push(() => agent.close());
  return { agent, notices };
}

/** An agent whose thread dies on its first `deaths` requests. */
function startMortal(deaths: number, by: 'exit' | 'throw' | 'hang', options: AgentOptions = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'agent-'));
  cleanUps.push(() => rmSync(folder, { recursive: true }));
  const deathsFile = join(folder, 'deaths');
  const kill = (times: number) => writeFileSync(deathsFile, String(times));
  kill(deaths);
  const entry = join(folder, 'entry.cjs');
  const serve = JSON.stringify(fixture('dies-then-serves'));
  writeFileSync(entry, `require(${serve})(${JSON.stringify(deathsFile)}, ${JSON.stringify(by)});`);
  return { ...startAgent({ entry, ...options }), kill };
}

const decode = (body: Uint8Array) => new TextDecoder().decode(body);
const threadCount = () => readdirSync('/proc/self/task').length;

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let waited = 0; !(await condition()); waited += 10) {
    if (waited > 20_000) throw new Error('it did not happen within 20 s');
    await sleep(10);
  }
}

function runScript(args: readonly string[], env: Record<string, string> = {}) {
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    const child = spawn(process.execPath, args, {
      env: { ...process.env, ...env },
      timeout: 50_000,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** An input without typed arrays, so that it can be a command line argument. */
const plainInput = JSON.stringify({
  ...metricsInput(),
  host: null,
  cores: undefined,
  requests: null,
  probe: { routes: [], counts: [], durations: [], connections: 0 },
});

/** Blocks this thread, the main one, until a probe thread of its own has had its answer. */
async function askWhileBlocked(
  question: { input: MetricsInput } | { stall: StackRequest },
): Promise<unknown> {
  const flag = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(fixture('probe-like'), { workerData: { flag: flag.buffer }, execArgv: [] });
  cleanUps.push(() => worker.terminate());
  const answer = once(worker, 'message');
  worker.postMessage(question);
  (function stuckHere() {
    const blockedUntil = performance.now() + 10_000;
    while (Atomics.load(flag, 0) === 0 && performance.now() < blockedUntil);
  })();
  expect(Atomics.load(flag, 0)).toBe(1);
  const [result] = await answer;
  return result;
}

test('a stall is answered with the stack of the main thread', async () => {
  const stall = { loop: -1, busySinceMs: 0, tid: 0, mayInspect: true };
  const result = (await askWhileBlocked({ stall })) as StackResult;
  expect(result?.kind).toBe('javascript');
  expect(result?.frames.map(({ functionName }) => functionName)).toContain('stuckHere');
});

describe('a scrape', () => {
  test('is rendered on a thread that starts with the first one', async () => {
    const before = threadCount();
    const { agent } = startAgent();
    expect(threadCount()).toBe(before);
    const text = decode(await agent.renderMetrics(metricsInput));
    expect(threadCount()).toBeGreaterThan(before);
    expect(promtoolComplaint(text)).toBeNull();
    expect(samplesOf(text, 'inference_health_agent_restarts_total').get('')).toBe(0);
    expect(agent.restarts()).toBe(0);
  });

  test('shares its answer with those that arrive while it is under way or within 250 ms of it', async () => {
    const { agent } = startAgent();
    let collected = 0;
    const collect = () => {
      collected += 1;
      return metricsInput();
    };
    const first = agent.renderMetrics(collect);
    expect(agent.renderMetrics(collect)).toBe(first);
    const body = await first;
    const endedAt = performance.now();
    let again = await agent.renderMetrics(collect);
    expect(again).toBe(body);
    expect(collected).toBe(1);
    while (again === body) {
      await sleep(5);
      again = await agent.renderMetrics(collect);
    }
    expect(performance.now() - endedAt).toBeGreaterThan(245);
    expect(collected).toBe(2);
  });

  test('whose input cannot be taken rejects, and the next one is tried afresh', async () => {
    const { agent } = startAgent();
    const broken = agent.renderMetrics(() => {
      throw new Error('no input');
    });
    await expect(broken).rejects.toThrow('no input');
    expect(decode(await agent.renderMetrics(metricsInput))).toContain('inference_health_live');
  });

  test('is answered while the main thread is blocked from before the agent thread exists', async () => {
    const answer = await askWhileBlocked({ input: metricsInput() });
    expect((answer as Uint8Array).length).toBeGreaterThan(1000);
  });

  test('that cannot be rendered fails alone, and the thread lives on', async () => {
    const { agent, notices } = startAgent();
    await expect(agent.renderMetrics(() => ({ ...metricsInput(), probe: null }) as never)).rejects.toThrow();
    expect(notices.join()).toContain('agent thread:');
    await agent.renderMetrics(metricsInput);
    expect(agent.restarts()).toBe(0);
  });
});

describe('when the agent thread dies', () => {
  test.each(['exit', 'throw'] as const)(
    'in the middle of a scrape (%s), a new one answers that scrape',
    async (by) => {
      const { agent, notices } = startMortal(1, by);
      const text = decode(await agent.renderMetrics(metricsInput));
      expect(agent.restarts()).toBe(1);
      expect(samplesOf(text, 'inference_health_agent_restarts_total').get('')).toBe(1);
      expect(notices.join()).toContain(by === 'throw' ? 'agent gave up' : 'exit code 7');
    },
  );

  test('twice over one scrape, that scrape fails and a later one is answered', async () => {
    const { agent } = startMortal(2, 'exit');
    await expect(agent.renderMetrics(metricsInput)).rejects.toThrow('died');
    expect(decode(await agent.renderMetrics(metricsInput))).toContain('inference_health_live');
    expect(agent.restarts()).toBe(2);
  });

  test('each time, it is started again ever more slowly', async () => {
    const { agent } = startMortal(1000, 'exit', { deadlineMs: 400 });
    const until = performance.now() + 1500;
    let scrapes = 0;
    // On a busy machine the first scrapes wait for their thread, up to the deadline.
    while (performance.now() < until || scrapes <= 10) {
      await expect(agent.renderMetrics(metricsInput)).rejects.toThrow();
      scrapes += 1;
      await sleep(1);
    }
    expect(agent.restarts()).toBeLessThan(6);
  });

  test('because its file is missing, scrapes fail and nothing is thrown', async () => {
    const { agent } = startAgent({ entry: '/nowhere/entry.js' });
    await expect(agent.renderMetrics(metricsInput)).rejects.toThrow();
  });
});

describe('when the agent thread hangs', () => {
  test('a scrape fails at its deadline, and after the second the thread is replaced', async () => {
    const { agent, notices } = startMortal(1, 'hang', { deadlineMs: 2500 });
    const startedAt = performance.now();
    await expect(agent.renderMetrics(metricsInput)).rejects.toThrow('within 2500 ms');
    expect(performance.now() - startedAt).toBeGreaterThan(2490);
    await expect(agent.renderMetrics(metricsInput)).rejects.toThrow('within 2500 ms');
    expect(notices.join()).toContain('no answer within 2500 ms, 2 times');
    expect(decode(await agent.renderMetrics(metricsInput))).toContain('inference_health_live');
    expect(agent.restarts()).toBe(1);
  });

  test('the route answers 503 with one line and Retry-After', async () => {
    const { agent } = startMortal(1, 'hang', { deadlineMs: 300 });
    const route = createMetricsRoute(() => agent.renderMetrics(metricsInput));
    const reply = await route({ query: () => '', accept: () => '' });
    expect(reply).toMatchObject({ statusLine: '503 Service Unavailable', retryAfter: '1' });
    expect(decode(reply.body.subarray(0, reply.length))).toMatch(/^metrics are not available.*\n$/);
  });
});

describe('the end', () => {
  test('a scrape under way rejects with ERR_CLOSED, and so do later ones', async () => {
    const { agent } = startMortal(1, 'hang');
    const before = threadCount();
    const scrape = agent.renderMetrics(metricsInput);
    scrape.catch(() => undefined);
    await until(() => threadCount() > before);
    await agent.close();
    await agent.close();
    await expect(scrape).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await expect(agent.renderMetrics(metricsInput)).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await until(() => threadCount() <= before);
  });

  test('closing an agent that never started is fine', async () => {
    await createAgent().close();
  });

  test('a process with nothing else to do ends by itself', async () => {
    expect(await runScript([fixture('leaves-alone'), plainInput])).toEqual({
      code: 0,
      stdout: 'true \n',
      stderr: '',
    });
  });

  test('process.exit keeps its code', async () => {
    expect(await runScript([fixture('leaves-alone'), plainInput, 'exit'])).toMatchObject({
      code: 5,
      stdout: 'true exit\n',
    });
  });

  test('it ends with the thread that started it', async () => {
    const before = threadCount();
    const flag = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(fixture('probe-like'), { workerData: { flag: flag.buffer }, execArgv: [] });
    worker.postMessage({ input: metricsInput() });
    await until(() => Atomics.load(flag, 0) > 0);
    expect(threadCount()).toBeGreaterThan(before + 1);
    await worker.terminate();
    await until(() => threadCount() <= before);
  });
});

test('what the application preloads is not loaded into the agent thread', async () => {
  const { stdout } = await runScript([
    '--require',
    fixture('prints-thread'),
    fixture('leaves-alone'),
    plainInput,
  ]);
  expect(stdout).toBe('loaded in thread 0\ntrue \n');
});

describe('metrics of the application', () => {
  test('are in the scrapes after the first, go on after the thread died, and keep their error counts', async () => {
    let fails = 2;
    const registry = {
      metrics: async () => {
        fails -= 1;
        return fails >= 0 ? 'broken\n' : '# HELP app_level Level.\n# TYPE app_level gauge\napp_level 5\n';
      },
    };
    const app = createAppMetrics({ registry, refreshMs: 20 });
    cleanUps.push(() => app.close());
    const { agent, notices, kill } = startMortal(0, 'exit', { onAppPort: (port) => app.attach(port) });
    let text = '';
    const scrape = async () => {
      text = decode(await agent.renderMetrics(metricsInput));
      return text.includes('app_level 5');
    };
    await until(scrape);
    expect(notices).toEqual([expect.stringContaining('line 1')]);
    expect(samplesOf(text, 'inference_health_app_metrics_errors_total').get('{reason="malformed"}')).toBe(2);
    expect(promtoolComplaint(text)).toBeNull();

    kill(1);
    await until(async () => {
      await agent.renderMetrics(metricsInput);
      return agent.restarts() === 1;
    });
    await until(scrape);
    expect(samplesOf(text, 'inference_health_app_metrics_errors_total').get('{reason="malformed"}')).toBe(2);
  });
});
