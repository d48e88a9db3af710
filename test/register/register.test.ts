import { type ChildProcess, spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { get } from 'node:http';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const FIXTURES = join(import.meta.dirname, 'fixtures');
const IMPORT = ['--import', join(ROOT, 'dist/esm/register.js')];
const REQUIRE = ['--require', join(ROOT, 'dist/cjs/register.js')];

let folder: string;
let socket: string;
/** What a process prints comes over a pipe: not in step with what it answers. */
const PATIENT = { timeout: 20_000, interval: 20 };
const children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'register-'));
  socket = join(folder, 'health.sock');
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await vi.waitFor(() => expect(running()).toEqual([]), PATIENT);
  rmSync(folder, { recursive: true, force: true });
});

/** Command lines of all processes that this test has started, and those that they have: all inherit TEST_FOLDER. */
function running(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const variables = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
        if (!variables.includes(`TEST_FOLDER=${folder}`)) return [];
        return [`${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`];
      } catch {
        // It has ended, or belongs to another user.
        return [];
      }
    });
}

interface App {
  readonly process: ChildProcess;
  readonly lines: Record<string, unknown>[];
  stderr(): string;
  /** The first line with this key, once it has been printed. */
  line<T>(key: string, nth?: number): Promise<T>;
  exit(): Promise<number | string | null>;
}

/** Node with an environment that only the test makes, so that nothing of the machine's own leaks in. */
function run(args: readonly string[], env: Record<string, string> = {}): App {
  const child = spawn(process.execPath, args, {
    env: {
      PATH: process.env.PATH ?? '',
      TEST_FOLDER: folder,
      INFERENCE_HEALTH_LISTENERS: `unix:${socket}`,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  const lines: Record<string, unknown>[] = [];
  let stderr = '';
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line)));
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const exited = new Promise<number | string | null>((resolve) =>
    child.on('close', (code, signal) => resolve(code ?? signal)),
  );
  return {
    process: child,
    lines,
    stderr: () => stderr,
    exit: () => exited,
    line: async <T>(key: string, nth = 0) =>
      vi.waitFor(
        () => {
          const found = lines.filter((line) => key in line)[nth];
          if (found === undefined) throw new Error(`no "${key}"; stderr: ${stderr}`);
          return found[key] as T;
        },
        { timeout: 20_000, interval: 10 },
      ),
  };
}

function fetchFrom(path: string, socketPath = socket): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ socketPath, path }, async (response) => {
      let body = '';
      for await (const chunk of response) body += chunk;
      resolve(body);
    }).on('error', reject);
  });
}

interface Counts {
  active_requests: number;
  total_requests: number;
  error_rate_percent: number;
}

async function counts(socketPath = socket): Promise<Counts> {
  return JSON.parse(await fetchFrom('/health', socketPath)).metrics;
}

/** Waits for the probe thread to answer and its counts to be these. */
async function expectCounts(expected: Partial<Counts>, socketPath = socket): Promise<void> {
  await vi.waitFor(async () => expect(await counts(socketPath)).toMatchObject(expected), PATIENT);
}

/** Where nothing is wrong, each process that serves says where, and nothing else. */
async function expectStarted(app: App, names: readonly string[] = [socket]): Promise<void> {
  const lines = names.map((name) => `inference-health: health on unix:${name}`);
  await vi.waitFor(() => expect(app.stderr().trim().split('\n').sort()).toEqual(lines.sort()), PATIENT);
}

const ask = async (port: number, path: string): Promise<number> =>
  (await fetch(`http://127.0.0.1:${port}${path}`)).status;

describe('node --import inference-health/register', () => {
  test.each([
    ['--import', IMPORT, {}],
    ['--require', REQUIRE, {}],
    ['both', [...IMPORT, ...REQUIRE], {}],
    ['NODE_OPTIONS', [], { NODE_OPTIONS: IMPORT.join(' ') }],
  ])('serves health and counts every request, the first ones included: %s', async (_how, args, env) => {
    const app = run([...args, join(FIXTURES, 'server.mjs')], env as Record<string, string>);
    const port = await app.line<number>('port');
    expect(await ask(port, '/')).toBe(200);
    expect(await ask(port, '/fail')).toBe(500);
    await expectCounts({ active_requests: 0, total_requests: 4, error_rate_percent: 25 });
    const metrics = await fetchFrom('/metrics');
    expect(metrics).toMatch(/^inference_health_requests_total\{outcome="ok"\} 3$/m);
    expect(metrics).toMatch(/^inference_health_requests_total\{outcome="error"\} 1$/m);
    await expectStarted(app);
  });

  test.each(['http', 'auto'])('never counts the probes themselves, HTTP engine %s', async (engine) => {
    const app = run([...IMPORT, join(FIXTURES, 'server.mjs')], { INFERENCE_HEALTH_HTTP_ENGINE: engine });
    await app.line('port');
    await expectCounts({ total_requests: 2 });
    for (let n = 0; n < 20; n += 1) await fetchFrom(n % 2 === 0 ? '/health/live' : '/nowhere');
    expect(await counts()).toMatchObject({ total_requests: 2, active_requests: 0 });
  });

  test('shows a request that is in flight, and one that its client has left', async () => {
    const app = run([...IMPORT, join(FIXTURES, 'server.mjs')]);
    const client = connect(await app.line<number>('port'), '127.0.0.1');
    client.write('GET /never HTTP/1.1\r\nHost: x\r\n\r\n');
    await expectCounts({ active_requests: 1, total_requests: 3 });
    client.destroy();
    await expectCounts({ active_requests: 0, total_requests: 3 });
    expect((await counts()).error_rate_percent).toBeCloseTo(100 / 3);
  });

  test('does not keep a program alive that has nothing more to do, nor change how it ends', async () => {
    writeFileSync(join(folder, 'script.mjs'), 'setTimeout(() => { process.exitCode = 3; }, 300);');
    const app = run([...IMPORT, join(folder, 'script.mjs')]);
    expect(await app.exit()).toBe(3);
    await expectStarted(app);
    expect(existsSync(socket)).toBe(false);
  });

  test('finishes requests in flight on SIGTERM and exits with 0', async () => {
    const app = run([...IMPORT, join(FIXTURES, 'server.mjs')]);
    const port = await app.line<number>('port');
    await expectCounts({ total_requests: 2 });
    const slow = fetch(`http://127.0.0.1:${port}/slow`).then((response) => response.text());
    await expectCounts({ active_requests: 1 });
    app.process.kill('SIGTERM');
    expect(await slow).toBe('slow');
    expect(await app.exit()).toBe(0);
  });

  test('leaves the exit to an application that handles SIGTERM itself, and is not ready meanwhile', async () => {
    const app = run([...IMPORT, join(FIXTURES, 'handles-sigterm.mjs')]);
    await app.line('port');
    await expectCounts({ total_requests: 2 });
    app.process.kill('SIGTERM');
    await vi.waitFor(async () => expect(await fetchFrom('/readyz?verbose')).toContain('drain'), PATIENT);
    expect(await app.exit()).toBe(7);
    expect(app.lines).toContainEqual({ cleaned: true });
  });

  test('installs no signal handler when the environment says so', async () => {
    const app = run([...IMPORT, join(FIXTURES, 'server.mjs')], { INFERENCE_HEALTH_SHUTDOWN: 'false' });
    await app.line('port');
    await expectCounts({ total_requests: 2 });
    app.process.kill('SIGTERM');
    expect(await app.exit()).toBe('SIGTERM');
  });
});

describe('a start that fails never breaks the application', () => {
  test('port in use: one line, and the application runs', async () => {
    const holder = createServer().listen(0);
    await new Promise((resolve) => holder.once('listening', resolve));
    try {
      const { port } = holder.address() as { port: number };
      const app = run([...IMPORT, join(FIXTURES, 'server.mjs')], {
        INFERENCE_HEALTH_LISTENERS: '',
        INFERENCE_HEALTH_PORT: String(port),
      });
      expect(await ask(await app.line<number>('port'), '/')).toBe(200);
      await vi.waitFor(() => expect(app.stderr()).toContain('\n'), PATIENT);
      await sleep(100);
      expect(app.stderr()).toMatch(
        new RegExp(`^inference-health: not started: .*${port}.*; the application runs without it\n$`),
      );
      expect(await ask(await app.line<number>('port'), '/')).toBe(200);
      app.process.kill('SIGTERM');
      expect(await app.exit()).toBe('SIGTERM');
    } finally {
      holder.close();
    }
  });

  test.each([
    ['INFERENCE_HEALTH_PROT', '8081'],
    ['INFERENCE_HEALTH_SAMPLE_HZ', 'often'],
  ])('%s=%s: one line that names it, and the application runs', async (name, value) => {
    const app = run([...IMPORT, join(FIXTURES, 'server.mjs')], { [name]: value });
    expect(await ask(await app.line<number>('port'), '/')).toBe(200);
    await vi.waitFor(
      () => expect(app.stderr()).toMatch(new RegExp(`^inference-health: not started: .*${name}.*\n$`)),
      PATIENT,
    );
    expect(existsSync(socket)).toBe(false);
  });
});

describe('processes and threads that the application starts', () => {
  const parent = join(FIXTURES, 'parent.mjs');
  const skipped =
    /^inference-health: not started in process \d+: its parent \d+ serves health \(unix:.*\); set another .*$/gm;

  test.each(['fork', 'spawn', 'cluster'])(
    'leaves the port alone in a child by %s, with one line',
    async (how) => {
      const app = run(how === 'spawn' ? [parent] : [...IMPORT, parent], {
        HOW: how,
        ...(how === 'spawn' ? { NODE_OPTIONS: IMPORT.join(' ') } : {}),
      });
      const port = await app.line<number>('port');
      const child =
        how === 'spawn'
          ? await app.line<number>('port', 1)
          : (await app.line<{ port: number }>('child')).port;
      expect(await ask(child, '/')).toBe(200);
      expect(await ask(port, '/')).toBe(200);
      await expectCounts({ total_requests: 3 });
      if (how === 'cluster') await app.line('child', 1);
      await vi.waitFor(
        () => expect(app.stderr().match(skipped)).toHaveLength(how === 'cluster' ? 2 : 1),
        PATIENT,
      );
      expect(app.stderr().match(/^.*health on unix:.*$/gm)).toHaveLength(1);
      expect(app.stderr().trim().split('\n')).toHaveLength(how === 'cluster' ? 3 : 2);
    },
  );

  test('serves health in a child that has a socket of its own', async () => {
    const own = join(folder, 'child.sock');
    const app = run([...IMPORT, parent], {
      HOW: 'fork',
      CHILD_ENV: JSON.stringify({ INFERENCE_HEALTH_LISTENERS: `unix:${own}` }),
    });
    const { port } = await app.line<{ port: number }>('child');
    expect(await ask(port, '/fail')).toBe(500);
    await expectCounts({ total_requests: 3 }, own);
    await expectCounts({ total_requests: 2 });
    await expectStarted(app, [socket, own]);
  });

  test('serves health in each cluster worker that has a socket of its own', async () => {
    const app = run([...IMPORT, parent], { HOW: 'cluster', OWN_SOCKETS: join(folder, 'worker') });
    await app.line('child', 1);
    await expectCounts({ active_requests: 0 }, join(folder, 'worker1'));
    await expectCounts({ active_requests: 0 }, join(folder, 'worker2'));
    const totals = await Promise.all(
      [1, 2].map(async (n) => (await counts(join(folder, `worker${n}`))).total_requests),
    );
    expect(totals[0]! + totals[1]!).toBe(4);
    await expectStarted(app, [socket, ...[1, 2].map((n) => join(folder, `worker${n}`))]);
  });

  test('counts the requests of a worker thread in the same process, and frees it when it is terminated', async () => {
    const app = run([...IMPORT, parent], { HOW: 'thread' });
    await app.line('port');
    const { port } = await app.line<{ port: number }>('child');
    expect(await ask(port, '/fail')).toBe(500);
    await expectCounts({ total_requests: 5, error_rate_percent: 20, active_requests: 0 });
    const client = connect(port, '127.0.0.1');
    client.on('error', () => {});
    client.write('GET /never HTTP/1.1\r\nHost: x\r\n\r\n');
    await expectCounts({ total_requests: 6, active_requests: 1 });
    app.process.kill('SIGUSR2');
    await expectCounts({ total_requests: 6, active_requests: 0 });
    expect((await counts()).error_rate_percent).toBeCloseTo(200 / 6);
    await expectStarted(app);
  });

  test('passes a launcher by, so that with NODE_OPTIONS the server behind `npm start` gets the port', async () => {
    const bin = join(folder, 'npm', 'bin');
    mkdirSync(bin, { recursive: true });
    copyFileSync(join(FIXTURES, 'server.mjs'), join(folder, 'server.mjs'));
    writeFileSync(
      join(bin, 'npm-cli.js'),
      `require('node:child_process').spawn(process.execPath, [${JSON.stringify(join(folder, 'server.mjs'))}], { stdio: 'inherit' });`,
    );
    const app = run([join(bin, 'npm-cli.js')], { NODE_OPTIONS: IMPORT.join(' ') });
    await app.line('port');
    await expectCounts({ total_requests: 2 });
    await expectStarted(app);
  });

  test('passes our own command line by', async () => {
    const app = run([join(ROOT, 'dist/cjs/cli/main.js'), 'check', 'http://127.0.0.1:9/'], {
      NODE_OPTIONS: IMPORT.join(' '),
    });
    expect(await app.exit()).toBe(1);
    expect(existsSync(socket)).toBe(false);
    expect(app.stderr()).not.toContain('not started');
  });
});
