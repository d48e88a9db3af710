import { describe, expect, it } from 'vitest';
import { until } from '../helpers/package.js';
import { CLI, run, withProgram } from '../helpers/program.js';
import { ask } from './worker.js';

const LOOPBACK = { DYN_SYSTEM_PORT: '0', DYN_SYSTEM_HOST: '127.0.0.1' };
const APP = "require('node:http').createServer((_, response) => response.end()).listen(0, '127.0.0.1')";
const REGISTER = [process.execPath, '--require', './dist/cjs/register.js', '-e', APP];

describe('serve', () => {
  it("is a Dynamo worker with Dynamo's variables, and check finds it", async () => {
    const env = { ...LOOPBACK, DYN_SYSTEM_STARTING_HEALTH_STATUS: 'ready', DYN_CANARY_WAIT: '5' };
    await withProgram([...CLI, 'serve'], { env }, async (serve) => {
      const { urls } = JSON.parse((await serve.prints(/^\{.*"serving"\}$/m))[0]);
      expect(urls).toHaveLength(1);
      const { status, text } = await ask(`${urls[0]}/live`);
      expect([status, JSON.parse(text)]).toEqual([
        200,
        { endpoints: {}, status: 'ready', uptime: { nanos: expect.any(Number), secs: expect.any(Number) } },
      ]);
      await serve.logs(/DYN_CANARY_WAIT is not read \(did you mean DYN_CANARY_WAIT_TIME\?\)/);
      const port = new URL(urls[0]).port;
      const check = await run([...CLI, 'check', '--ready'], { env: { DYN_SYSTEM_PORT: port } });
      expect(check).toMatchObject({ code: 0, stdout: `http://127.0.0.1:${port}/readyz: 200\n` });
      serve.process.kill('SIGTERM');
      expect(await serve.exit()).toBe(0);
    });
  });

  it('serves both ports, ours on loopback', async () => {
    await withProgram([...CLI, 'serve', '--port', '0'], { env: LOOPBACK }, async (serve) => {
      const { urls } = JSON.parse((await serve.prints(/^\{.*"serving"\}$/m))[0]);
      expect(urls.map((url: string) => new URL(url).hostname)).toEqual(['127.0.0.1', '127.0.0.1']);
      expect((await ask(`${urls[0]}/health`)).text).toContain('"components"');
      expect((await ask(`${urls[1]}/health`)).text).toMatch(/^\{"endpoints":\{\},"status":"notready",/);
    });
  });

  it.each([
    [{ DYN_SYSTEM_PORT: 'eighty' }, /DYN_SYSTEM_PORT: expected a port from 0 to 65535, or -1 for no server/],
    [
      { DYN_SYSTEM_PORT: '-1' },
      /nothing to serve: DYN_SYSTEM_PORT or DYN_SYSTEM_ENABLED turns the server off/,
    ],
    [{ DYN_SYSTEM_ENABLED: 'maybe' }, /DYN_SYSTEM_ENABLED: expected true or false, received "maybe"/],
  ])('ends with 78 and the reason for %j', async (env, expected) => {
    const { code, stderr } = await run([...CLI, 'serve'], { env });
    expect([code, stderr]).toEqual([78, expect.stringMatching(expected)]);
  });

  it('takes its port from a flag before the variable that turns the server off', async () => {
    const env = { DYN_SYSTEM_ENABLED: 'false' };
    await withProgram([...CLI, 'serve', '--port', '0'], { env }, async (serve) => {
      const { urls } = JSON.parse((await serve.prints(/^\{.*"serving"\}$/m))[0]);
      expect((await ask(`${urls[0]}/health`)).text).toContain('"components"');
    });
  });
});

describe('check', () => {
  it('says that there is nothing to ask where the server is turned off', async () => {
    const { code, stderr } = await run([...CLI, 'check'], { env: { DYN_SYSTEM_PORT: '-1' } });
    expect([code, stderr]).toEqual([1, expect.stringMatching(/turns the server off; give the URL/)]);
  });
});

describe('register', () => {
  it("serves Dynamo's port for a process that knows nothing of it, and drains on SIGTERM", async () => {
    const env = { ...LOOPBACK, DYN_SYSTEM_STARTING_HEALTH_STATUS: 'ready' };
    await withProgram(REGISTER, { env }, async (app) => {
      const [, base = ''] = await app.logs(/health on (http:\S+)$/m);
      await until(async () => (await ask(`${base}/health`)).status === 200);
      app.process.kill('SIGTERM');
      expect(await app.exit()).toBe(0);
    });
  });

  it('leaves the process alone but for one line where the server is turned off or the port is bad', async () => {
    await withProgram(REGISTER, { env: { DYN_SYSTEM_PORT: '-1' } }, async (app) => {
      await app.logs(/health answers on no port, since DYN_SYSTEM_PORT or DYN_SYSTEM_ENABLED/);
    });
    await withProgram(REGISTER, { env: { DYN_SYSTEM_PORT: '70000' } }, async (app) => {
      await app.logs(
        /not started: DYN_SYSTEM_PORT: expected a port from 0 to 65535.*received "70000"; the application runs/,
      );
      expect(app.process.exitCode).toBeNull();
    });
  });

  it('takes a child with the same variables for a child, and not for a second worker', async () => {
    const parent = [
      process.execPath,
      '--require',
      './dist/cjs/register.js',
      '-e',
      `setTimeout(() => require('node:child_process').spawn(process.execPath, ['--require', './dist/cjs/register.js', '-e', ''], { stdio: 'inherit' }), 1500);setTimeout(() => undefined, 20_000)`,
    ];
    await withProgram(parent, { env: LOOPBACK }, async (app) => {
      await app.logs(/not started in process \d+: its parent \d+ serves health \(0\)/);
    });
  });
});
