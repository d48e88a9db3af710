import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { ROOT, sleep } from './package.js';

export interface Child {
  readonly process: ChildProcess;
  /** Resolves with the first line that the child has printed so far or prints, JSON-parsed. */
  message<T>(): Promise<T>;
  /** Everything on standard error so far. */
  stderr(): string;
  /** Exit code, or the signal's name, once all that it printed is here. */
  exit(): Promise<number | string>;
}

/** Kills a child that outlives its test: a hang is a failure, not a stuck suite. */
const KILL_AFTER_MS = 50_000;

/**
 * Runs CommonJS source in a fresh Node with `startHealth`, `say` (prints one JSON line), `block` (milliseconds) and
 * `blockUntilTold` (by a byte on standard input) defined, hands it to `use` and kills it at the end.
 */
export async function withChild<T>(
  source: string,
  use: (child: Child) => Promise<T>,
  options: { env?: Record<string, string>; args?: readonly string[]; killAfterMs?: number } = {},
): Promise<T> {
  const prelude = `
    const { startHealth, attachHealth } = require('./dist/cjs/index.js');
    const say = (value) => require('node:fs').writeSync(1, JSON.stringify(value) + '\\n');
    const block = (ms) => { const end = Date.now() + ms; while (Date.now() < end); };
    const blockUntilTold = () => {
      for (;;) {
        try {
          return void require('node:fs').readSync(0, Buffer.alloc(1));
        } catch (error) {
          if (error.code !== 'EAGAIN') throw error;
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
        }
      }
    };
  `;
  const child = spawn(
    process.execPath,
    [
      ...(options.args ?? []),
      '-e',
      `${prelude}\n(async () => {${source}\n})().catch((error) => { say({ error: String(error), code: error.code }); process.exitCode = 9; });`,
    ],
    {
      cwd: ROOT,
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    },
  );
  const deadline = setTimeout(() => child.kill('SIGKILL'), options.killAfterMs ?? KILL_AFTER_MS);
  const exited = once(child, 'exit') as Promise<[number | null, string | null]>;
  const closed = once(child, 'close');
  let stdout = '';
  let stderr = '';
  let taken = 0;
  let wake = (): void => undefined;
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
    wake();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  child.stdout.on('close', () => wake());
  try {
    return await use({
      process: child,
      async message<T>() {
        for (;;) {
          const lines = stdout.split('\n').slice(0, -1);
          const line = lines[taken];
          if (line !== undefined) {
            taken += 1;
            return JSON.parse(line) as T;
          }
          if (child.stdout.closed) throw new Error(`the child said nothing more; stderr: ${stderr}`);
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      },
      stderr: () => stderr,
      async exit() {
        const [code, signal] = await exited;
        // Processes that it has started may have its standard error, and live on.
        await Promise.race([closed, sleep(1000)]);
        return code ?? signal ?? 'unknown';
      },
    });
  } finally {
    clearTimeout(deadline);
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  }
}
