import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const dist = fileURLToPath(new URL('../../dist/cjs', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
  /** Each line of standard output, parsed. */
  readonly lines: readonly unknown[];
}

export interface ChildOptions {
  readonly execArgv?: readonly string[];
  readonly onStderr?: (text: string) => void;
}

/** Runs `fixtures/NAME.cjs DIST ARGS…` to its end, or for 50 s. */
export function runChild(
  name: string,
  args: readonly string[] = [],
  options: ChildOptions = {},
): Promise<Ended> {
  const script = fileURLToPath(new URL(`fixtures/${name}.cjs`, import.meta.url));
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...(options.execArgv ?? []), script, dist, ...args], {
      timeout: 50_000,
      killSignal: 'SIGKILL',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      options.onStderr?.(stderr);
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const lines = stdout.split('\n').filter((line) => line !== '');
      try {
        resolve({ code, signal, stderr, lines: lines.map((line) => JSON.parse(line) as unknown) });
      } catch {
        reject(new Error(`unexpected output: ${stdout}\n${stderr}`));
      }
    });
  });
}
