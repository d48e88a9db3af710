import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './package.js';

export interface NatsServer {
  readonly url: string;
  pause(): void;
  resume(): void;
  /** SIGKILL, as a machine that goes. */
  kill(): Promise<void>;
  /** Again, at the same port. */
  start(): Promise<void>;
}

/** Debian puts it where a normal user's PATH does not look. */
const PATH = `${process.env.PATH}:/usr/sbin`;

/** A real nats-server on any free loopback port; it ends whatever happens. */
export async function withNats<T>(
  args: readonly string[],
  use: (server: NatsServer) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'inference-health-nats-'));
  let child: ChildProcess | null = null;
  let port = -1;

  async function start(): Promise<void> {
    const ports = ['--ports_file_dir', folder];
    const own = spawn('nats-server', ['-a', '127.0.0.1', '-p', String(port), ...ports, ...args], {
      env: { ...process.env, PATH },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child = own;
    let log = '';
    own.stderr.on('data', (text) => {
      log += text;
    });
    await until(() => {
      if (own.exitCode !== null) throw new Error(`nats-server ended: ${log}`);
      return log.includes('Server is ready');
    });
    if (port !== -1) return;
    const file = join(folder, `nats-server_${own.pid}.ports`);
    const url = await until(() => {
      try {
        return (JSON.parse(readFileSync(file, 'utf8')) as { nats: string[] }).nats[0] ?? null;
      } catch {
        return null;
      }
    });
    port = Number(new URL(url).port);
  }

  async function kill(): Promise<void> {
    const own = child;
    if (own === null || own.exitCode !== null || own.signalCode !== null) return;
    const exited = once(own, 'exit');
    own.kill('SIGKILL');
    await exited;
  }

  try {
    await start();
    return await use({
      url: `nats://127.0.0.1:${port}`,
      pause: () => child?.kill('SIGSTOP'),
      resume: () => child?.kill('SIGCONT'),
      kill,
      start,
    });
  } finally {
    await kill();
    rmSync(folder, { recursive: true, force: true });
  }
}
