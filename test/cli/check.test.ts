import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Health } from '../../lib/index.js';
import { baseUrl, startHealth, until } from '../helpers/package.js';
import { CLI, run } from '../helpers/program.js';

let health: Health;
let base: string;
let folder: string;
let path: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'check-'));
  path = join(folder, 'health.sock');
  health = await startHealth({
    startupGraceMs: 3_600_000,
    listeners: [
      { port: 0, host: '127.0.0.1' },
      { path },
      { port: 0, host: '127.0.0.1', details: 'documented' },
    ],
  });
  base = baseUrl(health);
  await until(() => health.status().ready);
});
afterAll(async () => {
  await health.close();
  rmSync(folder, { recursive: true });
});

const check = (args: readonly string[], env: Record<string, string> = {}) =>
  run([...CLI, 'check', ...args], { env });

/** A TCP server that answers each connection with what `answer` does, for one check. */
async function against(answer: (socket: Socket) => void, args: readonly string[] = []) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    answer(socket);
  }).listen(0, '127.0.0.1');
  await until(() => server.listening);
  try {
    return await check([...args, `127.0.0.1:${(server.address() as { port: number }).port}`]);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

describe('check', () => {
  it('passes with 0 and says so on standard output', async () => {
    expect(await check([base])).toEqual({ code: 0, stdout: `${base}/livez: 200\n`, stderr: '' });
    expect(await check(['--ready', base])).toEqual({ code: 0, stdout: `${base}/readyz: 200\n`, stderr: '' });
    expect(await check([base.replace('http://127.0.0.1', 'localhost')])).toMatchObject({ code: 0 });
    expect(await check([`unix:${path}`, '--ready'])).toMatchObject({
      code: 0,
      stdout: `unix:${path} /readyz: 200\n`,
    });
  });

  it('asks the listener that the environment of the container names', async () => {
    const port = base.split(':').at(-1) ?? '';
    for (const env of [
      { INFERENCE_HEALTH_PORT: port },
      { INFERENCE_HEALTH_PORT: port, INFERENCE_HEALTH_HOST: '0.0.0.0' },
      { INFERENCE_HEALTH_LISTENERS: `${port},unix:/nowhere` },
      { INFERENCE_HEALTH_LISTENERS: `unix:${path}` },
    ]) {
      expect(await check([], env)).toMatchObject({ code: 0, stderr: '' });
    }
    expect(await check([], { INFERENCE_HEALTH_PORT: '0' })).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/port 0 is any free port/),
    });
    expect(await check([], { INFERENCE_HEALTH_PORT: '99999' })).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/INFERENCE_HEALTH_PORT: expected an integer/),
    });
  });

  it('fails with 1 and names what keeps the process from being ready, in words only where the listener has them', async () => {
    const hold = health.hold('warm-up');
    await until(async () => (await fetch(`${base}/readyz`)).status === 503);
    try {
      expect(await check(['--ready', base])).toEqual({
        code: 1,
        stdout: '',
        stderr: `${base}/readyz: 503\n[-]hold failed: hold.warm-up: Held by warm-up\n`,
      });
      const documented = baseUrl(health, 2);
      expect((await check(['--ready', documented])).stderr).toBe(
        `${documented}/readyz: 503\n[-]hold failed: hold.warm-up\n`,
      );
      expect((await check(['--live', base])).code).toBe(0);
    } finally {
      hold.release();
      await until(async () => (await fetch(`${base}/readyz`)).status === 200);
    }
  });

  it('asks the path that the URL has', async () => {
    expect(await check([`${base}/health/live`])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/\/health\/live: 503\n\{"status":"degraded"/),
    });
    expect(await check([`${base}/nothing`])).toMatchObject({
      code: 1,
      stderr: `${base}/nothing: 404\nNot Found\n`,
    });
  });

  it.each([
    [['--bogus'], /unknown flag --bogus; known: --live, --ready, --timeout-ms/],
    [['--live', '--ready'], /give --live or --ready, once/],
    [['--ready', 'http://127.0.0.1/livez'], /the URL has a path \(\/livez\)/],
    [['--timeout-ms', '0'], /--timeout-ms: expected 1 to 600000, received 0/],
    [['--timeout-ms'], /--timeout-ms: expected 1 to 600000, received nothing/],
    [['a:1', 'b:2'], /expected one URL, received also b:2/],
    [['https://127.0.0.1'], /expected an http: URL, received https:/],
    [['http://:::'], /expected http:\/\/host:port\[\/path\] or unix:\/path, received "http:\/\/:::"/],
    [['127.0.0.1:1'], /nothing listens there \(ECONNREFUSED\)/],
    [['localhost:1'], /nothing listens there \(ECONNREFUSED\)/],
    [['/tmp/x.sock'], /\/tmp\/x\.sock is a path; a unix socket is written unix:\/tmp\/x\.sock/],
    [['unix:/nowhere'], /there is no such socket \(ENOENT\)/],
  ])('fails with 1, never 2 or 64, for %j', async (args, message) => {
    const { code, stdout, stderr } = await check(args);
    expect(stderr).toMatch(message);
    expect([code, stdout]).toEqual([1, '']);
  });

  it('gives up on a server that never answers, that never ends its answer, and that speaks no HTTP', async () => {
    const silent = await against(() => undefined, ['--timeout-ms=200']);
    expect(silent).toMatchObject({ code: 1, stderr: expect.stringMatching(/no answer within 200 ms/) });
    const endless = await against((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      const chunk = 'x'.repeat(65_536);
      const write = (error?: Error | null): void => void (error || socket.write(chunk, write));
      write();
    });
    expect(endless.code).toBe(0);
    const garbage = await against((socket) => socket.end('220 mail.example ESMTP\r\n'));
    expect(garbage).toMatchObject({ code: 1, stderr: expect.stringMatching(/no HTTP answer/) });
    const cut = await against((socket) => socket.destroy());
    expect(cut).toMatchObject({ code: 1, stderr: expect.stringMatching(/no HTTP answer/) });
  });

  it('does not depend on somebody reading what it prints', async () => {
    const { code } = await run([
      'bash',
      '-c',
      `set -o pipefail; "${process.execPath}" dist/cjs/cli/main.js check ${base} | true`,
    ]);
    expect(code).toBe(0);
  });
});
