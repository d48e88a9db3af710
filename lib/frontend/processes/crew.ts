/** Keeps so many processes running: one that ends is started again, later and later if it does so at once. */
import { type ChildProcess, fork } from 'node:child_process';
import type { Logger } from '../../config/options.js';
import { InferenceHealthError } from '../../errors.js';
import { equalJitterMs } from '../../fleet/backoff.js';
import type { FromProcess } from './messages.js';

const FIRST_MS = 100;
const LONGEST_MS = 10_000;
/** Who is not ready by then never will be. */
const START_MS = 60_000;
/** Who has run so long has not failed to start. */
const SETTLED_MS = 10_000;

export interface CrewPorts {
  /** CommonJS file that the processes run, and their arguments, which begin with the URL at which all are reached. */
  readonly entry: string;
  readonly args: readonly string[];
  readonly logger: Logger | undefined;
  ready(child: ChildProcess): void;
  message(child: ChildProcess, message: FromProcess): void;
  ended(child: ChildProcess, willRestart: boolean): void;
}

export interface Crew {
  /** Resolves when all are ready. @throws InferenceHealthError when one ends before */
  start(count: number, url: string): Promise<void>;
  /** Starts none any more. */
  stop(): void;
  /** Likewise; resolves when all have ended, those that have not by then being killed. */
  close(withinMs: number): Promise<void>;
}

export function createCrew({ entry, args, logger, ready, message, ended }: CrewPorts): Crew {
  const children = new Set<ChildProcess>();
  const starting = new Set<ChildProcess>();
  let isClosing = false;
  let failures = 0;
  let ownUrl = '';
  let onEmpty = (): void => undefined;

  function spawn(first?: { resolve(): void; reject(error: Error): void }): void {
    if (isClosing) return;
    const child = fork(entry, [ownUrl, ...args], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const startedMs = performance.now();
    let isReady = false;
    const late = setTimeout(() => child.kill('SIGKILL'), START_MS);
    children.add(child);
    starting.add(child);
    child.on('message', (news: FromProcess) => {
      if (news.type !== 'ready') {
        message(child, news);
        return;
      }
      isReady = true;
      clearTimeout(late);
      starting.delete(child);
      ready(child);
      first?.resolve();
    });
    // A message to a process that has just ended; its end is told by itself.
    child.on('error', () => undefined);
    child.on('exit', (code, signal) => {
      clearTimeout(late);
      children.delete(child);
      starting.delete(child);
      const isFirst = first !== undefined && !isReady;
      ended(child, !isClosing && !isFirst);
      if (children.size === 0) onEmpty();
      if (isFirst)
        first.reject(
          new InferenceHealthError(
            'ERR_CONFIG_INVALID',
            `a process of the frontend ended with ${signal ?? code}`,
          ),
        );
      else if (!isClosing) again(performance.now() - startedMs, signal ?? code);
    });
  }

  function again(ranMs: number, cause: unknown): void {
    failures = ranMs >= SETTLED_MS ? 0 : failures + 1;
    const waitMs = failures === 0 ? 0 : equalJitterMs(FIRST_MS, failures - 1, LONGEST_MS, Math.random());
    logger?.error(
      { cause, again_ms: Math.round(waitMs) },
      'a process of the frontend ended and is started again',
    );
    setTimeout(() => spawn(), waitMs);
  }

  return {
    async start(count, url) {
      ownUrl = url;
      await Promise.all(
        Array.from(
          { length: count },
          () => new Promise<void>((resolve, reject) => spawn({ resolve, reject })),
        ),
      );
    },
    stop() {
      isClosing = true;
      // They have no requests yet.
      for (const child of starting) child.kill('SIGKILL');
    },
    async close(withinMs) {
      this.stop();
      if (children.size === 0) return;
      const timer = setTimeout(() => {
        for (const child of children) child.kill('SIGKILL');
      }, withinMs);
      await new Promise<void>((resolve) => {
        onEmpty = resolve;
      });
      clearTimeout(timer);
    },
  };
}
