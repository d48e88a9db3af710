import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { forgetGroup, keepGroup } from './keeper.js';
import { parseLogLine, type Timeline } from './timeline.js';

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ManagedProcess {
  readonly name: string;
  readonly pid: number;
  readonly child: ChildProcess;
  readonly hasExited: boolean;
  /** Resolves when it, and all that it has started, has ended. */
  readonly exited: Promise<Exit>;
  /** The last 64 KiB of standard output and error, for messages. */
  tail(): string;
  /** To the process alone. */
  signal(signal: NodeJS.Signals): void;
  /** To the processes that it has started, and theirs. */
  signalChildren(signal: NodeJS.Signals): void;
  /** Ends it and all that it has started, now. */
  end(): Promise<void>;
}

const MAX_TAIL = 64 * 1024;
/** A fleet under test knows nothing of the settings of whoever runs the test. */
const FOREIGN = /^(INFERENCE_HEALTH_|DYN_|ETCD|NATS_|NODE_OPTIONS$|VITEST|NODE_ENV$)/;

/** Starts a program as leader of a group of its own. */
export function startProcess(
  name: string,
  [command = '', ...args]: readonly string[],
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly cwd?: string;
    /** Added to its priority, and to that of all that it starts. */
    readonly nice?: number;
    readonly timeline: Timeline;
    onLine?(line: string): void;
  },
): ManagedProcess {
  const inherited = Object.entries(process.env).filter(([key]) => !FOREIGN.test(key));
  const child = spawn(command, args, {
    env: { ...Object.fromEntries(inherited), ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  const pid = child.pid ?? 0;
  if (pid > 0) keepGroup(pid);
  if (pid > 0 && (options.nice ?? 0) > 0) setPriority(pid, options.nice ?? 0);
  child.stdin.on('error', () => undefined);
  let tail = '';
  let hasExited = false;
  for (const output of [child.stdout, child.stderr]) {
    let rest = '';
    output.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-MAX_TAIL);
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        options.onLine?.(line);
        const event = parseLogLine(name, line);
        if (event !== null) options.timeline.add(event);
      }
    });
  }
  const exited = new Promise<Exit>((resolve) => {
    let isDone = false;
    const done = (exit: Exit): void => {
      if (isDone) return;
      isDone = true;
      hasExited = true;
      // As the end of a container is that of all in it.
      killGroup(pid);
      forgetGroup(pid);
      resolve(exit);
    };
    child.on('exit', (code, signal) => done({ code, signal }));
    child.on('error', (error) => {
      tail += String(error);
      done({ code: null, signal: null });
    });
  });

  return {
    name,
    pid,
    child,
    get hasExited() {
      return hasExited;
    },
    exited,
    tail: () => tail,
    signal(signal) {
      if (!hasExited) child.kill(signal);
    },
    signalChildren(signal) {
      for (const each of descendants(pid)) sendSignal(each, signal);
    },
    async end() {
      if (!hasExited) killGroup(pid);
      await exited;
      // What else holds the other end of the pipes must not keep us alive.
      for (const stream of child.stdio) stream?.destroy();
    },
  };
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}

/** A group whose leader has gone may have members left, and those keep its number from being used again. */
function killGroup(pid: number): void {
  if (pid > 0) sendSignal(-pid, 'SIGKILL');
}

function descendants(pid: number): number[] {
  try {
    const own = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    );
    return own.flatMap((each) => [each, ...descendants(each)]);
  } catch {
    return [];
  }
}
