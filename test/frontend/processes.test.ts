import { expect, it } from 'vitest';
import { sleep, until } from '../helpers/package.js';
import { CLI, withProgram } from '../helpers/program.js';
import { post, type Streamed, stream, type ToyWorker } from './fleet.js';
import { alone, figure, isRunning, TOKEN, withProcesses } from './shared-port.js';

/** Lasts 10 s, so that all of it happens within streams; `soon` lets them end. */
const LONG = { prompt: 'x', max_tokens: 1000 };
const soon = ([worker]: readonly ToyWorker[]): void => worker?.steer({ tokenMs: 0 });

const whole = (settled: PromiseSettledResult<Streamed>): boolean =>
  settled.status === 'fulfilled' && settled.value.isDone && settled.value.errors.length === 0;

it('serves one port with several processes, and the end of one costs only its own streams', async () => {
  await withProcesses(2, async ({ workers, url, probes, pids }) => {
    expect(pids().length).toBe(2);
    const health = await (await fetch(`${probes}/health`)).text();
    expect(await (await fetch(`${url}/health`, alone)).text()).toBe(health);
    for (let i = 0; i < 4; i += 1)
      expect((await post(url, { prompt: 'x', max_tokens: 2 }, alone)).status).toBe(200);
    await until(async () => (await figure(url, 'requests_total{outcome="success"}')) === 4);

    const running = Array.from({ length: 4 }, () => stream(url, LONG));
    const settled = Promise.allSettled(running);
    await until(async () => (await figure(url, 'requests_in_flight')) === 4);
    const [victim = 0] = pids();
    process.kill(victim, 'SIGKILL');
    await until(() => !pids().includes(victim));
    expect((await post(url, { prompt: 'x', max_tokens: 2 }, alone)).status).toBe(200);
    soon(workers);
    const wholes = (await settled).map(whole).filter((isWhole) => isWhole).length;
    // Each had some: who has how many depends on what the processes had said of themselves by then.
    expect([1, 2, 3]).toContain(wholes);

    // Another one is in its place, and nothing that was counted is gone.
    await until(async () => (await figure(url, 'frontend_processes')) === 2);
    expect(await figure(url, 'frontend_restarts_total')).toBe(1);
    await until(async () => (await figure(url, 'requests_total{outcome="success"}')) === 5 + wholes);
    await until(async () => (await figure(url, 'requests_in_flight')) === 0);
    expect((await fetch(`${probes}/readyz`)).status).toBe(200);
  });
});

it('shares thresholds with all processes, those that come later too', async () => {
  await withProcesses(3, async ({ url, pids }) => {
    const headers = {
      authorization: `Bearer ${TOKEN}`,
      'content-type': 'application/json',
      connection: 'close',
    };
    const body = JSON.stringify({ model: 'toy', active_decode_blocks_threshold: 0.85 });
    const shown = async (): Promise<string> => (await fetch(`${url}/busy_threshold`, { headers })).text();
    await until(async () => {
      const answers = await Promise.all([shown(), shown(), shown()]);
      return answers.every((text) => text.includes('"toy"'));
    });
    const set = await fetch(`${url}/busy_threshold`, { method: 'POST', headers, body });
    expect(set.status).toBe(200);
    for (let i = 0; i < 6; i += 1) expect(await shown()).toContain('"active_decode_blocks_threshold":0.85');
    const before = pids();
    for (const pid of before.slice(1)) process.kill(pid, 'SIGKILL');
    await until(async () => (await figure(url, 'frontend_processes')) === 3);
    for (let i = 0; i < 6; i += 1)
      await until(async () => (await shown()).includes('"active_decode_blocks_threshold":0.85'));
  });
});

it('drains all processes at SIGTERM: what runs finishes, what comes is refused, exit 0', async () => {
  await withProcesses(2, async ({ workers, url, probes, program }) => {
    const running = Array.from({ length: 4 }, () => stream(url, LONG));
    await until(async () => (await figure(url, 'requests_in_flight')) === 4);
    program.process.kill('SIGTERM');
    const refused = await until(async () => {
      const late = await post(url, { prompt: 'late', max_tokens: 1 }, alone);
      return late.status === 503 ? late : null;
    });
    expect([refused.headers.get('retry-after'), refused.headers.get('connection')]).toEqual(['1', 'close']);
    const shown = await fetch(`${probes}/health`);
    expect([shown.status, await shown.text()]).toEqual([
      503,
      '{"message":"Service is not ready","stage":"draining","status":"not_ready"}',
    ]);
    expect((await fetch(`${probes}/live`)).status).toBe(200);
    soon(workers);
    for (const streamed of await Promise.all(running))
      expect(streamed).toMatchObject({ isDone: true, errors: [], reason: 'length' });
    expect(await program.exit()).toBe(0);
  });
});

it('says on the API’s /health of each process that it drains, while stragglers are still served', async () => {
  await withProcesses(
    2,
    async ({ url, program }) => {
      const shown = async (): Promise<[number, string]> => {
        const response = await fetch(`${url}/health`, alone);
        return [response.status, await response.text()];
      };
      program.process.kill('SIGTERM');
      await until(async () => {
        const answers = await Promise.all([shown(), shown(), shown(), shown()]);
        return answers.every(([status, text]) => status === 503 && text.includes('"stage":"draining"'));
      });
      expect((await post(url, { prompt: 'x', max_tokens: 2 }, alone)).status).toBe(200);
      program.process.kill('SIGKILL');
    },
    { args: ['--shutdown-lame-duck-ms', '60000', '--shutdown-grace-period-ms', '90000'] },
  );
});

it('waits for a stream that had just begun at SIGTERM as for any other', async () => {
  await withProcesses(2, async ({ url, program }) => {
    let isAsked = false;
    const streamed = await stream(url, { prompt: 'x', max_tokens: 500 }, () => {
      if (!isAsked) program.process.kill('SIGTERM');
      isAsked = true;
    });
    expect(streamed).toMatchObject({ isDone: true, errors: [] });
    expect(await program.exit()).toBe(0);
  });
});

it('ends streams with an error at a second SIGTERM', async () => {
  await withProcesses(2, async ({ url, program }) => {
    const running = Array.from({ length: 2 }, () => stream(url, { prompt: 'x', max_tokens: 5000 }));
    await until(async () => (await figure(url, 'requests_in_flight')) === 2);
    program.process.kill('SIGTERM');
    await program.logs(/"shutting down"/);
    // Two at once count as one: shells and process managers send them.
    await sleep(600);
    program.process.kill('SIGTERM');
    for (const streamed of await Promise.all(running))
      expect(streamed).toMatchObject({ isDone: false, errors: ['the frontend is shutting down'] });
    expect(await program.exit()).toBe(75);
  });
});

it('lets streams finish when the process that has the port is killed, and leaves nothing behind', async () => {
  await withProcesses(2, async ({ workers, url, program, pids }) => {
    const running = Array.from({ length: 2 }, () => stream(url, LONG));
    await until(async () => (await figure(url, 'requests_in_flight')) === 2);
    const children = pids();
    program.process.kill('SIGKILL');
    await program.exit();
    soon(workers);
    for (const streamed of await Promise.all(running))
      expect(streamed).toMatchObject({ isDone: true, errors: [] });
    await until(() => children.every((pid) => !isRunning(pid)));
  });
});

it('refuses limits that leave nothing for a process', async () => {
  const args = ['frontend', '--workers', 'http://127.0.0.1:9', '--processes', '4', '--max-concurrent', '3'];
  await withProgram([...CLI, ...args], {}, async (program) => {
    expect(await program.exit()).toBe(64);
    expect(program.stderr()).toMatch(/--max-concurrent: expected at least --processes \(4\), received 3/);
  });
});

it('warns of a port that other machines reach, and names it in the log of each process', async () => {
  await withProcesses(
    2,
    async ({ program }) => {
      await program.logs(/other machines may reach the API, which is without a token and without TLS/);
      // Of both, and of the one that has the port.
      const listens = /"url":"http:\/\/0\.0\.0\.0:\d+"[^\n]*"frontend listens"/g;
      await until(() => program.stderr().match(listens)?.length === 3);
    },
    { args: ['--http-host', '0.0.0.0'] },
  );
});
