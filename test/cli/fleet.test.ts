import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startToy, stream } from '../frontend/fleet.js';
import { until } from '../helpers/package.js';
import { CLI, run, withProgram } from '../helpers/program.js';
import { HAS_ENGINE, withModel } from '../llama/helpers.js';

const URL_LINE = /"url":"(http:[^"]+)","probes":\["(http:[^"]+)"\]/;

/** Over a connection of its own: a drain closes those that are idle, also one that is just being used again. */
const alone = { method: 'POST', headers: { connection: 'close' } };

/** Exit code and last line of standard error of a command that cannot start. */
async function fails(args: readonly string[], env: Record<string, string> = {}): Promise<[unknown, string]> {
  return withProgram([...CLI, ...args], { env }, async (program) => {
    const code = await program.exit();
    return [code, program.stderr()];
  });
}

it.each(['worker', 'frontend'])('the help of %s fits a terminal', async (command) => {
  const { code, stdout } = await run([...CLI, command, '--help']);
  expect(code).toBe(0);
  expect(stdout).toContain('--http-port N');
  expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
});

describe('the command frontend', () => {
  it('drains at SIGTERM: what runs finishes, what comes is refused, exit 0', async () => {
    const worker = await startToy('one');
    try {
      const args = ['frontend', '--workers', worker.url, '--http-port', '0'];
      await withProgram(
        [...CLI, ...args],
        { env: { DYN_SYSTEM_PORT: '9', DYN_HTTP_PORT: '1' } },
        async (program) => {
          const [, url = '', probes = ''] = await program.prints(URL_LINE);
          await program.logs(/DYN_SYSTEM_PORT.*ignored by a frontend/);
          await until(async () => (await (await fetch(`${url}/health`)).text()).includes('"healthy"'));
          expect((await fetch(`${probes}/livez`)).status).toBe(200);
          const running = stream(url, { prompt: 'last', max_tokens: 400 });
          await until(async () =>
            (await (await fetch(`${url}/metrics`)).text()).includes('requests_in_flight 1'),
          );
          program.process.kill('SIGTERM');
          await until(async () => {
            const body = '{"prompt":"late","max_tokens":1}';
            const late = await fetch(`${url}/v1/completions`, { ...alone, body });
            return late.status === 503 && late.headers.get('retry-after') === '1';
          });
          expect(await running).toMatchObject({ isDone: true, errors: [], reason: 'length' });
          expect(await program.exit()).toBe(0);
        },
      );
    } finally {
      worker.child.kill('SIGKILL');
    }
  });

  it.each([1, 2])(
    'of %i processes serves stragglers for its lame duck, and everybody when a drain is taken back',
    async (processes) => {
      const worker = await startToy('one');
      const folder = mkdtempSync(join(tmpdir(), 'inference-health-admin-'));
      const socketPath = join(folder, 'admin.sock');
      const token = 'an-admin-token-of-enough-bytes';
      const told = (path: string): Promise<unknown> => {
        const headers = { authorization: `Bearer ${token}`, host: 'localhost' };
        return once(request({ socketPath, path, method: 'POST', headers }).end(), 'response');
      };
      const flags = ['--admin-path', socketPath, '--shutdown-lame-duck-ms', '4000'];
      const args = [
        'frontend',
        '--workers',
        worker.url,
        '--http-port',
        '0',
        '--processes',
        String(processes),
      ];
      try {
        const env = { INFERENCE_HEALTH_ADMIN_TOKEN: token };
        await withProgram([...CLI, ...args, ...flags], { env }, async (program) => {
          const [, url = '', probes = ''] = await program.prints(URL_LINE);
          const body = '{"prompt":"x","max_tokens":2}';
          const ask = async () => (await fetch(`${url}/v1/completions`, { ...alone, body })).status;
          const ready = async () => (await fetch(`${probes}/readyz`)).status;
          await until(async () => (await ask()) === 200);
          await told('/drain');
          // Which is a pause: it has no lame duck.
          await until(async () => (await ready()) === 503 && (await ask()) === 503);
          await told('/resume');
          await until(async () => (await ready()) === 200 && (await ask()) === 200);
          program.process.kill('SIGTERM');
          await until(async () => (await ready()) === 503);
          expect(await ask()).toBe(200);
          expect(await program.exit()).toBe(0);
        });
      } finally {
        worker.child.kill('SIGKILL');
        rmSync(folder, { recursive: true });
      }
    },
    60_000,
  );

  it('says what is wrong with flags and variables', async () => {
    expect(await fails(['frontend', '--workers', ','])).toEqual([
      64,
      expect.stringMatching(/--workers: expected at least one/),
    ]);
    expect(await fails(['frontend', '--worker', 'x'])).toEqual([
      64,
      expect.stringMatching(/unknown flag --worker \(did you mean --workers\?\)/),
    ]);
    const workers = ['frontend', '--workers', 'http://127.0.0.1:1'];
    expect(await fails([...workers, '--overload-status', '200'])).toEqual([
      64,
      expect.stringMatching(/from 400 to 599/),
    ]);
    expect(await fails(workers, { DYN_MIGRATION_LIMIT: 'many' })).toEqual([
      78,
      expect.stringMatching(/DYN_MIGRATION_LIMIT/),
    ]);
  });

  it.each([
    ['frontend', '--workers', 'ftp://x', /--workers: expected URLs as .*received "ftp:\/\/x"/],
    ['frontend', '--namespace', 'a/b', /--namespace: expected letters, digits, .*received "a\/b"/],
    ['frontend', '--component', 'a.b', /--component: expected letters, digits, .*received "a\.b"/],
    ['frontend', '--tenant-header', 'a b', /--tenant-header: expected the name of a header/],
    ['frontend', '--http-host', '', /--http-host: expected a non-empty string, received ""/],
    ['serve', '--host', '', /--host: expected a non-empty string, received ""/],
    ['worker', '--advertise', '0.0.0.0', /--advertise: expected http:\/\/host:port, host:port or host/],
  ] as const)(
    '%s says that %s is not to be %s, before it starts anything',
    async (command, flag, value, message) => {
      const [code, said] = await fails([command, flag, value]);
      expect([code, said.trim().split('\n').length]).toEqual([64, 1]);
      expect(said).toMatch(message);
    },
  );

  it('names the flag or the variable whose server is wrong, before it starts anything', async () => {
    const only = (text: string) =>
      expect.stringMatching(new RegExp(`^inference-health frontend: ${text}\n$`));
    expect(await fails(['frontend', '--etcd-endpoints', 'a:99999'])).toEqual([
      64,
      only('--etcd-endpoints: expected a port from 1 to 65535, received "a:99999"'),
    ]);
    expect(await fails(['frontend', '--etcd-endpoints', ''])).toEqual([
      64,
      only('--etcd-endpoints: expected at least one server as .*'),
    ]);
    expect(await fails(['frontend', '--nats-server', 'nats://me:hunter2@a'])).toEqual([
      64,
      only('--nats-server: expected no user or password in the address, .*received "nats://…@a"'),
    ]);
    expect(await fails(['frontend'], { ETCD_ENDPOINTS: 'a,a:2379' })).toEqual([
      78,
      only('ETCD_ENDPOINTS: expected each server once, received "a:2379"'),
    ]);
    const several = ['frontend', '--processes', '2', '--http-port', '0'];
    expect(await fails(several, { NATS_SERVER: 'http://a' })).toEqual([
      78,
      only('NATS_SERVER: expected servers as nats://host:port or tls://host:port, received "http://a"'),
    ]);
  });

  it('serves without its registry, and says that it does not answer', async () => {
    const args = ['frontend', '--http-port', '0', '--etcd-endpoints', '127.0.0.1:1'];
    await withProgram([...CLI, ...args], {}, async (program) => {
      const [, url = ''] = await program.prints(URL_LINE);
      expect((await fetch(`${url}/live`)).status).toBe(200);
      await program.logs(
        // A machine that is too busy to be refused in time meets the deadline of the call.
        /"error":"[^\n]*(127\.0\.0\.1:1|eadline)[^\n]*"discovery does not answer: what is known stays"/,
      );
    });
  });
});

describe('the command worker', () => {
  it('says what is missing', async () => {
    expect(await fails(['worker'])).toEqual([64, expect.stringMatching(/--model: expected/)]);
    expect(await fails(['worker', '--modle', 'x'])).toEqual([
      64,
      expect.stringMatching(/unknown flag --modle \(did you mean --model\?\)/),
    ]);
  });

  it('refuses what is no model before it starts anything', async () => {
    // One line: nothing of a status that came and went.
    const missing = /^inference-health worker: --model: expected a GGUF file, but there is no .*\n$/;
    expect(await fails(['worker', '--model', '/nowhere.gguf', '--http-port', '0'])).toEqual([
      78,
      expect.stringMatching(missing),
    ]);
    expect(await fails(['worker', '--model', '/tmp'])).toEqual([
      78,
      expect.stringMatching(/cannot be read \(EISDIR\)/),
    ]);
    expect(await fails(['worker', '--model', process.execPath])).toEqual([
      78,
      expect.stringMatching(/is none/),
    ]);
  });

  it.runIf(HAS_ENGINE)('serves a GGUF file, and exits with 0 at SIGTERM', { timeout: 60_000 }, async () => {
    await withModel(async (path) => {
      const args = ['worker', '--model', path, '--http-port', '0', '--context-size', '256'];
      await withProgram([...CLI, ...args], {}, async (program) => {
        const [, url = '', probes = ''] = await program.prints(URL_LINE);
        const first = await stream(url, { prompt: 'it was a bright', max_tokens: 20, temperature: 0 });
        expect(first).toMatchObject({ reason: 'length', isDone: true });
        expect(first.usage?.prompt_tokens).toBeGreaterThan(1);
        expect(await stream(url, { prompt: 'it was a bright', max_tokens: 20, temperature: 0 })).toEqual(
          first,
        );
        const tooLong = { prompt: 'a '.repeat(400), max_tokens: 5 };
        await expect(stream(url, tooLong)).rejects.toThrow(/^400/);
        await until(async () => (await fetch(`${probes}/readyz`)).status === 200);
        program.process.kill('SIGTERM');
        expect(await program.exit()).toBe(0);
      });
    });
  });
});
