import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { withCertificates } from '../helpers/certificates.js';
import { sleep, until } from '../helpers/package.js';
import { post } from './fleet.js';
import { alone, figure, withProcesses } from './shared-port.js';

it('stops a request that kills workers in all processes, those that come later too', async () => {
  const names = ['one', 'two', 'three', 'four'];
  await withProcesses(
    2,
    async ({ url, workers, pids }) => {
      const left = (): number =>
        workers.filter(({ child }) => child.exitCode === null && child.signalCode === null).length;
      const kill = async (): Promise<string> => {
        const response = await post(url, { prompt: 'poison', max_tokens: 3 }, alone);
        return `${response.status} ${((await response.json()) as { error: { code: string } }).error.code}`;
      };
      expect(await kill()).toBe('500 poison');
      await until(() => left() === 2);
      // Asks all of them, and so comes after what was told to them before.
      await figure(url, 'requests_in_flight');
      for (let i = 0; i < 6; i += 1) expect(await kill()).toBe('500 poison');
      for (const pid of pids()) {
        process.kill(pid, 'SIGKILL');
        await until(() => !pids().includes(pid));
        await until(async () => (await figure(url, 'frontend_processes')) === 2);
      }
      for (let i = 0; i < 6; i += 1) expect(await kill()).toBe('500 poison');
      expect(left()).toBe(2);
      expect((await post(url, { prompt: 'x', max_tokens: 2 }, alone)).status).toBe(200);
    },
    { names },
  );
});

/** Workers that are well, and fail whatever they are given. @param use is told how often they were */
async function withFailing(count: number, use: (urls: string[], tries: () => number) => Promise<void>) {
  let tries = 0;
  const servers = Array.from({ length: count }, (_, i) =>
    createServer((incoming, response) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      if (incoming.method === 'POST') {
        tries += 1;
        incoming.resume();
        response.end('{"error":{"outcome":"engine_error","message":"no"}}\n');
        return;
      }
      let seq = 0;
      const beat = (): void => {
        seq += 1;
        const beacon = {
          ...{ worker: `w${i}`, incarnation: 'a', model: 'toy', state: 'serving', ready: true, seq },
          ...{ engineStep: seq, running: 0, waiting: 0, scheduledTokens: seq, activeTokens: 0 },
          ...{ kvBlocksUsed: 0, kvBlocksTotal: 0, expectedStepMs: 0 },
        };
        response.write(`${JSON.stringify(beacon)}\n`);
      };
      beat();
      const timer = setInterval(beat, 250);
      response.on('close', () => clearInterval(timer));
    }),
  );
  try {
    for (const server of servers)
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const ports = servers.map((server) => (server.address() as AddressInfo).port);
    await use(
      ports.map((port) => `http://127.0.0.1:${port}`),
      () => tries,
    );
  } finally {
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  }
}

it('spends one retry budget, however many processes there are', async () => {
  await withFailing(6, async (urls, tries) => {
    await withProcesses(
      4,
      async ({ url }) => {
        const ask = () => post(url, { prompt: 'x', max_tokens: 3 }, alone);
        const requests = 40;
        for (let i = 0; i < requests; i += 10) {
          const answers = await Promise.all(Array.from({ length: 10 }, ask));
          for (const { status } of answers) expect(status).toBeGreaterThanOrEqual(500);
        }
        // A reserve of ten and a fifth of the requests: four budgets would be 40 and 8.
        expect(tries() - requests).toBeGreaterThan(0);
        expect(tries() - requests).toBeLessThanOrEqual(10 + 0.2 * requests);
      },
      { names: [], urls },
    );
  });
});

it('gives a process that is stopped no new connections, and replaces it', async () => {
  await withProcesses(2, async ({ url, program, pids }) => {
    const [victim = 0] = pids();
    process.kill(victim, 'SIGSTOP');
    let meanwhile = 0;
    const asked: Promise<number>[] = [];
    const ask = async (): Promise<number> => {
      const response = await post(url, { prompt: 'x', max_tokens: 2 }, alone);
      await response.text();
      if (pids().includes(victim)) meanwhile += 1;
      return response.status;
    };
    while (pids().includes(victim)) {
      asked.push(ask());
      await sleep(200);
    }
    // The first of them may have come to it, and wait until its end; those that came when it was known have not.
    expect(meanwhile).toBeGreaterThan(0);
    expect(new Set(await Promise.all(asked))).toEqual(new Set([200]));
    expect(program.stderr()).toMatch(/does not turn any more and is killed/);
    await until(async () => (await figure(url, 'frontend_processes')) === 2);
    expect(await figure(url, 'frontend_restarts_total')).toBe(1);
  });
});

it('serves HTTPS with several processes', async () => {
  await withCertificates(async ({ ca, make }) => {
    const { cert, key } = make('frontend');
    const trusted = readFileSync(ca);
    await withProcesses(
      2,
      async ({ url, pids }) => {
        expect(url).toMatch(/^https:/);
        const ask = (): Promise<[number | undefined, string]> =>
          new Promise((resolve, reject) => {
            const own = { method: 'POST', ca: trusted, agent: false };
            const asked = request(`${url}/v1/completions`, own, async (response) => {
              let text = '';
              for await (const chunk of response.setEncoding('utf8')) text += chunk;
              resolve([response.statusCode, text]);
            });
            asked.on('error', reject);
            asked.setHeader('content-type', 'application/json');
            asked.end('{"prompt":"x","max_tokens":3}');
          });
        const answers = await Promise.all([ask(), ask(), ask(), ask()]);
        for (const [status, text] of answers) {
          expect(status).toBe(200);
          expect(JSON.parse(text).usage.completion_tokens).toBe(3);
        }
        expect(pids().length).toBe(2);
      },
      { args: ['--tls-cert', cert, '--tls-key', key] },
    );
  });
});
