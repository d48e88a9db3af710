import type { ChildProcess } from 'node:child_process';
import type { EngineMonitorConfig } from '../config/engine.js';
import type { Logger } from '../config/options.js';
import { invalid } from '../config/values.js';
import { InferenceHealthError } from '../errors.js';
import { type BoardWatch, type BoardWriter, MAX_WATCHES } from './board.js';
import { type EngineCheck, runCheck } from './check-runner.js';
import { watchChild } from './child-watch.js';
import { describeEngine, type EngineDescription } from './dump.js';
import { deadFinding } from './policy-findings.js';
import type { DeadCause, EngineFinding } from './policy-types.js';

/** What `health.engine.watch` looks at; everything is optional, but something must be given. */
export interface WatchOptions {
  /** The engine's process: its exit, its pipes, and what the kernel says about it (stopped, gone). */
  readonly child?: ChildProcess;
  /**
   * Signs of life that come also while there is nothing to do: `stdio`, whatever the child writes to its standard output
   * (somebody must read it); `ipc`, whatever message it sends; or a counter in shared memory, whose first Int32 an engine
   * on another thread raises. They count from the first one on.
   */
  readonly heartbeat?: 'stdio' | 'ipc' | SharedArrayBuffer;
  /** The engine's step counter, asked four times a second: with requests in flight it must not stand still. */
  readonly progress?: () => number;
  /** Asked every `engineMonitor.checkIntervalMs`. */
  readonly check?: EngineCheck;
}

export interface EngineWatch {
  /** Ends the watch, as before the application ends the engine on purpose; what it had found is forgotten. Idempotent. */
  stop(): void;
  [Symbol.dispose](): void;
}

export interface EngineMonitor {
  /**
   * @throws InferenceHealthError `ERR_CONFIG_INVALID` for options that do not fit, or when 64 engines are watched already.
   */
  watch(options: WatchOptions): EngineWatch;
  /** What a person wants to know of an engine that has failed. */
  describe(): EngineDescription;
  /** Counters in shared memory, for a new probe thread. */
  counters(): readonly EngineCounter[];
  /** Ends every watch. */
  close(): void;
}

export interface EngineCounter {
  readonly id: number;
  readonly buffer: SharedArrayBuffer;
}

export interface EngineMonitorPorts {
  readonly board: BoardWriter;
  readonly config: EngineMonitorConfig;
  readonly logger: Logger | null;
  readonly now: () => number;
  /** A counter for the probe thread to read. */
  readonly sendCounter: (counter: EngineCounter) => void;
  /** Called at once: the probe thread finds the same on the board with its next look. */
  readonly onDead: (finding: EngineFinding, detail: string) => void;
}

const POLL_MS = 250;
const OPTION_NAMES = ['child', 'heartbeat', 'progress', 'check'];

interface Watched {
  readonly id: number;
  readonly options: WatchOptions;
  detail: string | null;
  poll(): void;
}

export function createEngineMonitor(ports: EngineMonitorPorts): EngineMonitor {
  const { board, config, logger, now } = ports;
  const watched = new Map<number, Watched & { readonly stop: () => void }>();
  let timer: NodeJS.Timeout | undefined;

  function poll(): void {
    for (const each of watched.values()) each.poll();
  }

  function watch(options: WatchOptions): EngineWatch {
    checkOptions(options);
    const { child, heartbeat, progress, check } = options;
    const row = board.claimWatch();
    if (row === null)
      throw new InferenceHealthError(
        'ERR_CONFIG_INVALID',
        `engine.watch: ${MAX_WATCHES} engines are watched already`,
      );
    const stops: (() => void)[] = [() => row.release()];
    const polls: (() => void)[] = [];
    const entry: Watched & { readonly stop: () => void } = {
      id: row.id,
      options,
      detail: null,
      poll: () => {
        for (const each of polls) each();
      },
      stop() {
        if (!watched.delete(row.id)) return;
        for (const each of stops) each();
        if (watched.size === 0) clearInterval(timer);
      },
    };
    if (watched.size === 0) timer = setInterval(poll, POLL_MS).unref();
    watched.set(row.id, entry);

    const die = (cause: DeadCause, detail: string): void => {
      entry.detail = detail;
      row.setDead(cause);
      ports.onDead(deadFinding(cause, row.id, now()), detail);
    };
    if (heartbeat instanceof SharedArrayBuffer) {
      row.expectBeats('shared');
      ports.sendCounter({ id: row.id, buffer: heartbeat });
    }
    if (child !== undefined) {
      const kind = typeof heartbeat === 'string' ? heartbeat : null;
      const watchedChild = watchChild(child, kind, row, die);
      stops.push(watchedChild.stop);
      polls.push(watchedChild.poll);
    }
    if (progress !== undefined) polls.push(createStepPoll(progress, board, logger));
    if (check !== undefined) stops.push(watchCheck(check, row, entry, die));
    return { stop: entry.stop, [Symbol.dispose]: entry.stop };
  }

  function watchCheck(
    check: EngineCheck,
    row: BoardWatch,
    entry: Watched,
    die: (cause: DeadCause, detail: string) => void,
  ): () => void {
    let last = 'ok';
    return runCheck({
      check,
      intervalMs: config.checkIntervalMs,
      timeoutMs: config.checkTimeoutMs,
      onState(state, detail) {
        entry.detail = detail;
        if (state !== last)
          logger?.[state === 'ok' ? 'info' : 'warn']({ check: state, detail }, 'engine check');
        last = state;
        if (state === 'dead') die('reported', detail ?? '');
        else row.setCheck(state);
      },
    });
  }

  return {
    watch,
    describe: () => describeEngine(watched.values()),
    counters: () =>
      [...watched.values()].flatMap(({ id, options: { heartbeat } }) =>
        heartbeat instanceof SharedArrayBuffer ? [{ id, buffer: heartbeat }] : [],
      ),
    close() {
      for (const each of [...watched.values()]) each.stop();
    },
  };
}

/** A counter that throws stands still, as that of an engine that does not answer any more. */
function createStepPoll(progress: () => number, board: BoardWriter, logger: Logger | null): () => void {
  let last = Number.NaN;
  let hasThrown = false;
  board.reports();
  return () => {
    try {
      const steps = progress();
      if (!Object.is(steps, last)) board.progress(1);
      last = steps;
    } catch (error) {
      if (!hasThrown) logger?.warn({ error: String(error) }, 'the step counter of the engine threw');
      hasThrown = true;
    }
  };
}

function checkOptions(options: WatchOptions): void {
  const where = 'engine.watch';
  if (typeof options !== 'object' || options === null) throw invalid(where, 'an object', options);
  for (const name of Object.keys(options)) {
    if (!OPTION_NAMES.includes(name)) {
      const known = OPTION_NAMES.join(', ');
      throw new InferenceHealthError(
        'ERR_CONFIG_INVALID',
        `unknown option '${name}' of ${where}; known: ${known}`,
      );
    }
  }
  const { child, heartbeat, progress, check } = options;
  if (child === undefined && heartbeat === undefined && progress === undefined && check === undefined)
    throw invalid(where, `at least one of ${OPTION_NAMES.join(', ')}`, options);
  if (child !== undefined && typeof child?.on !== 'function')
    throw invalid(`${where}: child`, 'a ChildProcess', child);
  if (progress !== undefined && typeof progress !== 'function')
    throw invalid(`${where}: progress`, 'a function', progress);
  if (check !== undefined && typeof check !== 'function')
    throw invalid(`${where}: check`, 'a function', check);
  if (heartbeat instanceof SharedArrayBuffer) {
    if (heartbeat.byteLength < 4)
      throw invalid(`${where}: heartbeat`, 'at least 4 bytes of shared memory', heartbeat);
  } else if (heartbeat !== undefined) {
    if (heartbeat !== 'stdio' && heartbeat !== 'ipc')
      throw invalid(`${where}: heartbeat`, "'stdio', 'ipc' or a SharedArrayBuffer", heartbeat);
    if (child === undefined)
      throw invalid(`${where}: child`, `a ChildProcess, as heartbeat is '${heartbeat}'`, child);
    if (heartbeat === 'stdio' && child.stdout == null)
      throw invalid(`${where}: child`, "a ChildProcess with a pipe as standard output ('stdio')", child);
    if (heartbeat === 'ipc' && !child.connected && child.exitCode === null)
      throw invalid(`${where}: child`, "a ChildProcess with an IPC channel ('ipc')", child);
  }
}
