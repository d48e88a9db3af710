import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { until } from '../helpers/package.js';
import { CLI, run, withProgram } from '../helpers/program.js';

const SERVE = [...CLI, 'serve'];

function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

/** What a terminal shows: util-linux's `script` gives the command one. */
function onTerminal(command: readonly string[]): string[] {
  return ['script', '-qec', `exec ${command.map((part) => `'${part}'`).join(' ')}`, '/dev/null'];
}

describe('serve', () => {
  it.each([
    ['an unknown flag', ['--prot', '80'], {}, 64, /unknown flag --prot \(did you mean --port\?\)/],
    ['a short flag', ['-p', '80'], {}, 64, /unknown flag -p/],
    ['a stray argument', ['8081'], {}, 64, /unexpected argument "8081"/],
    ['a flag without its value', ['--port'], {}, 64, /--port needs a value/],
    [
      'a bad flag value',
      ['--port', 'abc'],
      {},
      64,
      /--port: expected an integer from 0 to 65535, received "abc"/,
    ],
    ['a value for --no-…', ['--no-per-core=1'], {}, 64, /--no-per-core takes no value/],
    ['--no- on what is no switch', ['--no-port'], {}, 64, /unknown flag --no-port/],
    ['a bad variable', [], { INFERENCE_HEALTH_PORT: 'x' }, 78, /INFERENCE_HEALTH_PORT: expected an integer/],
    [
      'an unknown variable',
      [],
      { INFERENCE_HEALTH_PROT: '1' },
      78,
      /unknown environment variable INFERENCE_HEALTH_PROT \(did you mean INFERENCE_HEALTH_PORT\?\)/,
    ],
    [
      'values that contradict',
      ['--memory-degraded-percent', '95'],
      {},
      78,
      /at most memory\.unhealthyPercent/,
    ],
    ['two ways to say where', ['--port', '0', '--listeners', '127.0.0.1:0'], {}, 78, /cannot be combined/],
    ['a host name', ['--host', 'example.test'], {}, 69, /expected `host` to be an IP address/],
    ["another machine's address", ['--host', '192.0.2.1', '--port', '0'], {}, 69, /EADDRNOTAVAIL/],
    ['a folder that does not exist', ['--listeners', 'unix:/nowhere/h.sock'], {}, 69, /ENOENT/],
  ] as const)('refuses %s', async (_name, args, env, code, message) => {
    const result = await run([...SERVE, ...args], { env });
    expect(result.stderr).toMatch(message);
    expect(result.stderr).toMatch(/^inference-health serve: [^\n]+\n$/);
    expect([result.code, result.stdout]).toEqual([code, '']);
  });

  it('says which port is taken and what to do, and exits with 69', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await until(() => other.listening);
    const { port } = other.address() as { port: number };
    const { code, stderr } = await run([...SERVE, '--port', String(port)]);
    other.close();
    expect(code).toBe(69);
    expect(stderr).toContain(`127.0.0.1:${port}`);
    expect(stderr).toMatch(/another socket listens there/);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('drains and exits with 0 on %s', async (signal) => {
    await withProgram([...SERVE, '--port', '0'], {}, async (program) => {
      await program.logs(/"ready":true/);
      program.process.kill(signal);
      expect(await program.exit()).toBe(0);
      expect(jsonLines(program.stderr()).at(-1)).toMatchObject({ phase: 'draining', msg: 'not ready' });
    });
  });

  it('writes JSON only where no terminal is: where it serves on standard output, the log on standard error', async () => {
    await withProgram([...SERVE, '--port', '0'], {}, async (program) => {
      await program.logs(/"msg":"ready"/);
      await program.prints(/"msg":"serving"/);
      const lines = jsonLines(program.stdout());
      expect(lines).toEqual([
        expect.objectContaining({ level: 'info', pid: program.process.pid, msg: 'serving' }),
      ]);
      const [url = ''] = lines[0]!.urls as string[];
      expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
      expect((await fetch(`${url}/health/ready`)).status).toBe(200);
      for (const line of jsonLines(program.stderr())) {
        expect(line).toMatchObject({ time: expect.any(String), msg: expect.any(String) });
        expect(line.level).toBe(line.msg === 'not ready' || line.ready === false ? 'warn' : 'info');
      }
      expect(program.stdout() + program.stderr()).not.toContain('\x1b[');
    });
  });

  it('logs a text of several lines as lines, in JSON one for each', async () => {
    const log = (paint: string) =>
      run([
        process.execPath,
        '-e',
        `require('./dist/cjs/cli/serve-log.js').createServeLog(${paint}).warn({ abi: 1, report: 'no addon\\nTried:' }, 'not loaded')`,
      ]);
    expect((await log('(_color, text) => text')).stderr).toMatch(
      /^[\d:]{8} warn {2}not loaded abi=1\n {2}no addon\n {2}Tried:\n$/,
    );
    expect(jsonLines((await log('null')).stderr)).toMatchObject([
      { level: 'warn', abi: 1, msg: 'not loaded' },
      { level: 'warn', msg: 'no addon' },
      { level: 'warn', msg: 'Tried:' },
    ]);
  });

  it('passes nothing to a terminal that it would act on', async () => {
    const { stderr } = await run([
      process.execPath,
      '-e',
      `require('./dist/cjs/cli/serve-log.js').createServeLog((_color, text) => text).info({ worker: 'w\\x1b]0;x\\x07\\x9b2J', error: 'a\\n\\x1b[2J\\tb' }, 'worker found')`,
    ]);
    expect(stderr).toMatch(
      /^[\d:]{8} info {2}worker found worker=w\\x1b\]0;x\\x07\\x9b2J\n {2}a\n {2}\\x1b\[2J\tb\n$/,
    );
  });

  it.each(['auto', 'off'])('is ready when it says where it serves, with native %s', async (native) => {
    await withProgram([...SERVE, '--port', '0', '--native', native], {}, async (program) => {
      const [, url = ''] = await program.prints(/"urls":\["([^"]+)"/);
      expect((await fetch(`${url}/health/ready`)).status).toBe(200);
      expect((await fetch(`${url}/startupz`)).status).toBe(200);
    });
  });

  it('is coloured on a terminal, and not where NO_COLOR or a dumb terminal asks for that', async () => {
    const show = (env: Record<string, string>) =>
      withProgram(onTerminal([...SERVE, '--port', '0']), { env }, async (program) => {
        const [, url = ''] = await program.prints(/(http:\/\/127\.0\.0\.1:\d+)\/health/);
        await program.prints(/ready/);
        expect((await fetch(`${url}/livez`)).status).toBe(200);
        return program.stdout();
      });
    expect(await show({ TERM: 'xterm' })).toContain('\x1b[36m/health');
    for (const env of [{ TERM: 'xterm', NO_COLOR: '1' }, { TERM: 'dumb' }]) {
      const text = await show(env);
      expect(text).not.toContain('\x1b[');
      expect(text).toMatch(/\/health\/ready +readiness/);
    }
    expect(await show({ TERM: 'xterm', NO_COLOR: '' })).toContain('\x1b[');
  });

  it('goes on when the readers of its output have gone away', async () => {
    await withProgram([...SERVE, '--port', '0'], {}, async (program) => {
      const [, url = ''] = await program.prints(/"urls":\["([^"]+)"/);
      program.process.stdout?.destroy();
      program.process.stderr?.destroy();
      // The drain logs lines that nobody can read.
      expect((await fetch(`${url}/livez`)).status).toBe(200);
      program.process.kill('SIGTERM');
      expect(await program.exit()).toBe(0);
    });
  });

  it('takes the address from the environment, and a flag before it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cli-'));
    const env = { INFERENCE_HEALTH_LISTENERS: `127.0.0.1:0,unix:${join(folder, 'h.sock')}` };
    try {
      await withProgram(SERVE, { env }, async (program) => {
        const [line] = await program.prints(/.*\n/);
        expect(JSON.parse(line).urls).toEqual([
          expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
          `unix:${join(folder, 'h.sock')}`,
        ]);
      });
      await withProgram([...SERVE, '--port', '0'], { env }, async (program) => {
        const [line] = await program.prints(/.*\n/);
        expect(JSON.parse(line).urls).toEqual([expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/)]);
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
