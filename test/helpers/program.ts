import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { ROOT, until } from './package.js';

export interface Program {
  readonly process: ChildProcess;
  stdout(): string;
  stderr(): string;
  /** Resolves with the first match on standard output, or rejects when the program ends or 30 s pass without one. */
  prints(pattern: RegExp): Promise<RegExpExecArray>;
  logs(pattern: RegExp): Promise<RegExpExecArray>;
  /** Exit code, or the signal's name. */
  exit(): Promise<number | string>;
}

export interface ProgramOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** A hang is a failure, not a stuck suite. */
const KILL_AFTER_MS = 50_000;

/** Of this machine's environment only what finds programs: no colour, port or preload leaks into a test. */
function environment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...extra };
}

/** Starts a program, hands it to `use`, and kills it in the end if it still runs. */
export async function withProgram<T>(
  [command = '', ...args]: readonly string[],
  options: ProgramOptions,
  use: (program: Program) => Promise<T>,
): Promise<T> {
  const child = spawn(command, args, {
    cwd: options.cwd ?? ROOT,
    env: environment(options.env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const deadline = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
  const closed = once(child, 'close') as Promise<[number | null, string | null]>;
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      texts[name] += text;
    });
  }
  const match = (name: 'stdout' | 'stderr', pattern: RegExp): Promise<RegExpExecArray> =>
    until(() => {
      const found = pattern.exec(texts[name]);
      if (found === null && child.stdout.closed)
        throw new Error(`ended without ${pattern}: ${texts.stdout}${texts.stderr}`);
      return found;
    }, 60_000);
  try {
    return await use({
      process: child,
      stdout: () => texts.stdout,
      stderr: () => texts.stderr,
      prints: (pattern) => match('stdout', pattern),
      logs: (pattern) => match('stderr', pattern),
      async exit() {
        const [code, signal] = await closed;
        return code ?? signal ?? 'unknown';
      },
    });
  } finally {
    clearTimeout(deadline);
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await closed;
    }
  }
}

/** Runs a program to its end. */
export function run(
  command: readonly string[],
  options: ProgramOptions = {},
): Promise<{ code: number | string; stdout: string; stderr: string }> {
  return withProgram(command, options, async (program) => {
    const code = await program.exit();
    return { code, stdout: program.stdout(), stderr: program.stderr() };
  });
}

/** `inference-health` as npm's bin link runs it. */
export const CLI: readonly string[] = [process.execPath, 'dist/cjs/cli/main.js'];
