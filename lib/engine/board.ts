import { RHYTHM_BUCKETS, type Rhythm, readRhythm, recordGap } from './policy-rhythm.js';

/**
 * What the main thread knows about the engine, in shared memory, so that the probe thread can judge it while the main
 * thread is blocked. One writer (the main thread); every slot is one 8-byte double, which is written and read whole on
 * the machines that Node runs on, and no two slots must agree with each other.
 */
const SLOT = {
  /** Requests that the engine works on, and those of them without a first token. */
  running: 0,
  prefilling: 1,
  progress: 2,
  watches: 3,
  /** Requests that have begun and not ended here, also those that wait for their client. */
  open: 4,
  /** 1: the application reports progress by itself, so requests that it only counts are the engine's work as well. */
  reports: 5,
  /** Requests that were given up before their first token. */
  givenUp: 6,
} as const;
const SLOTS = 8;

/** Engines that can be watched at once, as one for each rank. */
export const MAX_WATCHES = 64;

/** Slots of one watch; a watch that has ended has id 0. */
const WATCH = { id: 0, pid: 1, pidStart: 2, dead: 3, beats: 4, beatSource: 5, check: 6 } as const;
const WATCH_SLOTS = 8;

export const DEAD_CAUSES = [null, 'exit', 'gone', 'pipe_closed', 'reported'] as const;
export const CHECK_STATES = [null, 'ok', 'failed', 'timeout'] as const;
/** `shared`: a counter of the application's, which every thread can read by itself. */
export const BEAT_SOURCES = [null, 'main', 'shared'] as const;

const BYTES = (SLOTS + MAX_WATCHES * WATCH_SLOTS) * 8 + RHYTHM_BUCKETS * 4;

export interface BoardView {
  readonly doubles: Float64Array;
  readonly rhythm: Int32Array;
}

export function createBoard(): SharedArrayBuffer {
  return new SharedArrayBuffer(BYTES);
}

function viewOf(buffer: SharedArrayBuffer): BoardView {
  const count = SLOTS + MAX_WATCHES * WATCH_SLOTS;
  return {
    doubles: new Float64Array(buffer, 0, count),
    rhythm: new Int32Array(buffer, count * 8, RHYTHM_BUCKETS),
  };
}

/** One request as the engine's work. */
export interface EngineRequest {
  /** The engine did something: a token, a chunk of a long prompt. */
  progress(): void;
  /** There is a first token: the prefill is over. Idempotent. */
  answered(): void;
  /** What there is waits for the client to take it: no progress is expected until `resumes()`. */
  waits(): void;
  resumes(): void;
  /** Idempotent. @param byEngine false where it was given up: then it shows nothing about the engine */
  end(byEngine?: boolean): void;
}

/** The main thread's side. */
export interface BoardWriter {
  begin(): EngineRequest;
  /** Any other sign of work. */
  progress(steps: number): void;
  /** The application reports progress by itself. */
  reports(): void;
  /** Changes with every sign of work. */
  progressTotal(): number;
  running(): number;
  /** Null when {@link MAX_WATCHES} are watched. */
  claimWatch(): BoardWatch | null;
}

export interface BoardWatch {
  /** Never used twice. */
  readonly id: number;
  setProcess(pid: number, startTicks: number): void;
  setDead(cause: NonNullable<(typeof DEAD_CAUSES)[number]>): void;
  expectBeats(source: 'main' | 'shared'): void;
  beat(count: number): void;
  setCheck(state: NonNullable<(typeof CHECK_STATES)[number]>): void;
  release(): void;
}

export function createBoardWriter(buffer: SharedArrayBuffer, now: () => number): BoardWriter {
  const { doubles, rhythm } = viewOf(buffer);
  let lastWatchId = 0;
  const add = (slot: number, amount: number): void => {
    doubles[slot] = (doubles[slot] ?? 0) + amount;
  };

  function begin(): EngineRequest {
    let phase: 'prefill' | 'decode' | 'ended' = 'prefill';
    let isWaiting = false;
    let lastMs = 0;
    add(SLOT.open, 1);
    add(SLOT.prefilling, 1);
    add(SLOT.running, 1);
    const leave = (): void => {
      if (phase === 'prefill') add(SLOT.prefilling, -1);
      add(SLOT.running, -1);
    };
    return {
      progress() {
        if (phase === 'ended') return;
        add(SLOT.progress, 1);
        const nowMs = now();
        if (phase === 'decode') recordGap(rhythm, nowMs - lastMs);
        lastMs = nowMs;
      },
      answered() {
        if (phase !== 'prefill') return;
        if (!isWaiting) add(SLOT.prefilling, -1);
        phase = 'decode';
      },
      waits() {
        if (phase === 'ended' || isWaiting) return;
        leave();
        isWaiting = true;
      },
      resumes() {
        if (phase === 'ended' || !isWaiting) return;
        isWaiting = false;
        // The client's time is no part of the engine's rhythm.
        lastMs = now();
        if (phase === 'prefill') add(SLOT.prefilling, 1);
        add(SLOT.running, 1);
      },
      end(byEngine = true) {
        if (phase === 'ended') return;
        if (!isWaiting) leave();
        if (byEngine) add(SLOT.progress, 1);
        else if (phase === 'prefill') add(SLOT.givenUp, 1);
        phase = 'ended';
        add(SLOT.open, -1);
      },
    };
  }

  function claimWatch(): BoardWatch | null {
    for (let index = 0; index < MAX_WATCHES; index += 1) {
      const base = SLOTS + index * WATCH_SLOTS;
      if (doubles[base + WATCH.id] !== 0) continue;
      lastWatchId += 1;
      const id = lastWatchId;
      doubles.fill(0, base, base + WATCH_SLOTS);
      doubles[base + WATCH.id] = id;
      doubles[SLOT.watches] = Math.max(doubles[SLOT.watches] ?? 0, index + 1);
      const set = (slot: number, value: number): void => {
        if (doubles[base + WATCH.id] === id) doubles[base + slot] = value;
      };
      return {
        id,
        setProcess(pid, startTicks) {
          set(WATCH.pidStart, startTicks);
          set(WATCH.pid, pid);
        },
        setDead: (cause) => set(WATCH.dead, DEAD_CAUSES.indexOf(cause)),
        expectBeats: (source) => set(WATCH.beatSource, BEAT_SOURCES.indexOf(source)),
        beat: (count) => set(WATCH.beats, count),
        setCheck: (state) => set(WATCH.check, CHECK_STATES.indexOf(state)),
        release: () => set(WATCH.id, 0),
      };
    }
    return null;
  }

  return {
    begin,
    progress: (steps) => add(SLOT.progress, steps),
    reports() {
      doubles[SLOT.reports] = 1;
    },
    progressTotal: () => doubles[SLOT.progress] ?? 0,
    running: () => doubles[SLOT.running] ?? 0,
    claimWatch,
  };
}

/** One watch as it stands on the board. */
export interface WatchRow {
  readonly id: number;
  /** 0: no process to look at. */
  readonly pid: number;
  /** When the process started, in the kernel's ticks since boot: tells it from a later one of the same pid; 0 unknown. */
  readonly pidStart: number;
  readonly dead: (typeof DEAD_CAUSES)[number];
  readonly beats: number;
  readonly beatSource: (typeof BEAT_SOURCES)[number];
  readonly check: (typeof CHECK_STATES)[number];
}

export interface BoardReader {
  running(): number;
  prefilling(): number;
  open(): number;
  reports(): boolean;
  givenUp(): number;
  progress(): number;
  rhythm(): Rhythm;
  watches(): readonly WatchRow[];
}

export function createBoardReader(buffer: SharedArrayBuffer): BoardReader {
  const { doubles, rhythm } = viewOf(buffer);
  const at = (slot: number): number => doubles[slot] ?? 0;
  return {
    running: () => at(SLOT.running),
    prefilling: () => at(SLOT.prefilling),
    open: () => at(SLOT.open),
    reports: () => at(SLOT.reports) === 1,
    givenUp: () => at(SLOT.givenUp),
    progress: () => at(SLOT.progress),
    rhythm: () => readRhythm(rhythm),
    watches() {
      const rows: WatchRow[] = [];
      for (let index = 0; index < at(SLOT.watches); index += 1) {
        const base = SLOTS + index * WATCH_SLOTS;
        const id = at(base + WATCH.id);
        if (id === 0) continue;
        rows.push({
          id,
          pid: at(base + WATCH.pid),
          pidStart: at(base + WATCH.pidStart),
          dead: DEAD_CAUSES[at(base + WATCH.dead)] ?? null,
          beats: at(base + WATCH.beats),
          beatSource: BEAT_SOURCES[at(base + WATCH.beatSource)] ?? null,
          check: CHECK_STATES[at(base + WATCH.check)] ?? null,
        });
      }
      return rows;
    },
  };
}
