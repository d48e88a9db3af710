import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { expect, it } from 'vitest';
import { ROOT, until } from '../helpers/package.js';
import { endToy, startToy } from './fleet.js';

/** Of the frontend: what it has for itself, and some dozens of streams with two each. */
const DESCRIPTORS = 128;
const FIRST = 20;
const STREAMS = 150;

async function startLimited(worker: string): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const command = `ulimit -n ${DESCRIPTORS}; exec "$0" dist/cjs/cli/main.js frontend --workers ${worker} --http-port 0`;
  const child = spawn('/bin/sh', ['-c', command, process.execPath], {
    ...{ cwd: ROOT, stdio: ['ignore', 'pipe', 'ignore'] },
  });
  const lines = createInterface({ input: child.stdout as NonNullable<typeof child.stdout> });
  const [line] = (await once(lines, 'line')) as [string];
  return { child, url: (JSON.parse(line) as { url: string }).url };
}

interface Asked {
  readonly socket: Socket;
  /** What has come; null: cut off. */
  answer: string | null;
}

function ask(url: string): Asked {
  const body = JSON.stringify({ prompt: 'a', max_tokens: 100_000, stream: true });
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  const asked: Asked = { socket, answer: '' };
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => {
    asked.answer = `${asked.answer ?? ''}${chunk}`.slice(0, 400);
  });
  socket.on('close', () => {
    if (asked.answer === '') asked.answer = null;
  });
  socket.write(`POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  return asked;
}

it('who has no descriptors left says so, and takes no worker for broken', { timeout: 60_000 }, async () => {
  const worker = await startToy('one', { tokenMs: 200 });
  const { child, url } = await startLimited(worker.url);
  const asked: Asked[] = [];
  const metrics = async (): Promise<string> => (await fetch(`${url}/metrics`)).text();
  try {
    await until(async () => (await (await fetch(`${url}/v1/models`)).text()).includes('toy'));
    const more = async (count: number): Promise<(string | null)[]> => {
      const own = Array.from({ length: count }, () => ask(url));
      asked.push(...own);
      await until(() => own.every(({ answer }) => answer !== ''), 30_000);
      return own.map(({ answer }) => answer);
    };
    for (const answer of await more(FIRST)) expect(answer).toMatch(/^HTTP\/1.1 200/);
    const answers = (await more(STREAMS)).flatMap((answer) => answer ?? []);
    const refused = answers.filter((answer) => !answer.startsWith('HTTP/1.1 200'));
    expect(refused.length).toBeGreaterThan(0);
    for (const answer of refused) expect(answer).toMatch(/^HTTP\/1.1 503 [\s\S]*retry-after: /i);
    for (const { socket } of asked) socket.destroy();
    // With what is free again, the same worker answers.
    await until(async () => (await metrics()).includes('inference_health_requests_in_flight 0\n'));
    expect(await metrics()).toContain('inference_health_worker_ejections_total 0\n');
    const response = await fetch(`${url}/v1/completions`, {
      method: 'POST',
      body: JSON.stringify({ prompt: 'a', max_tokens: 1 }),
    });
    expect(response.status).toBe(200);
  } finally {
    for (const { socket } of asked) socket.destroy();
    child.kill('SIGKILL');
    endToy(worker);
  }
});
