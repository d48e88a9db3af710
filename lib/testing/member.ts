/** A process of a fleet that is started anew when it has ended, at the same address, as an orchestrator does. */
import { type Exit, type ManagedProcess, startProcess } from './managed-process.js';
import type { Timeline } from './timeline.js';

export interface MemberPlan {
  readonly name: string;
  readonly kind: 'worker' | 'frontend' | 'etcd' | 'nats';
  readonly url: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly nice?: number;
  command(): readonly string[];
  /** Resolves when it serves; `line` calls back with each line that it prints. */
  ready(process: ManagedProcess, line: (listener: (text: string) => void) => void): Promise<void>;
  readonly restarts: boolean;
  readonly restartDelayMs: number;
}

export interface Member {
  readonly name: string;
  readonly kind: MemberPlan['kind'];
  readonly url: string;
  readonly process: ManagedProcess | null;
  readonly isServing: boolean;
  /** How often it has been started. */
  readonly starts: number;
  /** Exits that nobody had asked for. */
  readonly strayExits: number;
  /** Its next exit is meant. */
  expectExit(): void;
  /** Not started anew until `release`. */
  hold(): void;
  release(): void;
  /** Resolves when it serves. @throws Error with what it has printed when it ends first, or takes too long */
  start(): Promise<void>;
  /** Resolves when it serves for the `starts`-th time or a later one. */
  serves(starts: number, limitMs?: number): Promise<void>;
  end(): Promise<void>;
}

const START_LIMIT_MS = 60_000;
/** What ends again and again is not started without a pause. */
const FAILED_RETRY_MS = 250;

export function createMember(plan: MemberPlan, timeline: Timeline): Member {
  const { name, kind, url } = plan;
  let process: ManagedProcess | null = null;
  let isServing = false;
  let isOver = false;
  let isHeld = false;
  let isDue = false;
  let isExitExpected = false;
  let starts = 0;
  let strayExits = 0;
  let timer: NodeJS.Timeout | undefined;

  async function start(): Promise<void> {
    const listeners: ((text: string) => void)[] = [];
    starts += 1;
    const own = startProcess(name, plan.command(), {
      timeline,
      ...(plan.env === undefined ? {} : { env: plan.env }),
      ...(plan.cwd === undefined ? {} : { cwd: plan.cwd }),
      ...(plan.nice === undefined ? {} : { nice: plan.nice }),
      onLine(text) {
        for (const listener of listeners) listener(text);
      },
    });
    process = own;
    const failed = own.exited.then((exit) => {
      onExit(own, exit);
      throw new Error(`${name} ended with ${exit.signal ?? exit.code} before it served:\n${own.tail()}`);
    });
    failed.catch(() => undefined);
    let slow: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      slow = setTimeout(
        () => reject(new Error(`${name} does not serve after ${START_LIMIT_MS} ms:\n${own.tail()}`)),
        START_LIMIT_MS,
      );
    });
    try {
      await Promise.race([plan.ready(own, (listener) => listeners.push(listener)), failed, late]);
    } finally {
      clearTimeout(slow);
    }
    isServing = true;
    timeline.add({ source: name, message: starts === 1 ? 'started' : 'serves again', fields: {} });
  }

  function onExit(own: ManagedProcess, { code, signal }: Exit): void {
    if (process !== own || isOver) return;
    isServing = false;
    const isStray = !isExitExpected;
    isExitExpected = false;
    if (isStray) strayExits += 1;
    timeline.add({
      source: name,
      message: 'process ended',
      fields: { ...(signal === null ? { code } : { signal }), ...(isStray ? { unexpected: true } : {}) },
    });
    if (!plan.restarts) return;
    if (isHeld) isDue = true;
    else again(isStray ? Math.max(FAILED_RETRY_MS, plan.restartDelayMs) : plan.restartDelayMs);
  }

  function again(afterMs: number): void {
    isDue = false;
    timer = setTimeout(() => {
      if (!isOver)
        start().catch((error: Error) => timeline.add({ source: name, message: error.message, fields: {} }));
    }, afterMs);
  }

  return {
    name,
    kind,
    url,
    get process() {
      return process;
    },
    get isServing() {
      return isServing;
    },
    get starts() {
      return starts;
    },
    get strayExits() {
      return strayExits;
    },
    expectExit() {
      isExitExpected = true;
    },
    hold() {
      isHeld = true;
    },
    release() {
      isHeld = false;
      if (isDue) again(0);
    },
    start,
    async serves(wanted, limitMs = START_LIMIT_MS) {
      const deadline = Date.now() + limitMs;
      while (!isServing || starts < wanted) {
        if (isOver || Date.now() > deadline)
          throw new Error(`${name} does not serve again within ${limitMs} ms:\n${process?.tail() ?? ''}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    async end() {
      isOver = true;
      clearTimeout(timer);
      await process?.end();
    },
  };
}
