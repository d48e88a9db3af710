import { readProcessState, readWaitChannel } from './process-state.js';

/** The engine's processes as they are at this moment, for the log of a failure. */
export interface EngineDescription {
  readonly processes: readonly {
    readonly pid: number;
    /** Letter of proc(5), `gone`, or null where the kernel does not tell. */
    readonly state: string | null;
    readonly wchan: string | null;
    readonly threads: number | null;
    readonly cpuMs: number | null;
    readonly exit: number | string | null;
  }[];
  /** What the watches know besides: exit codes, texts of failed checks. */
  readonly details: readonly string[];
}

interface Described {
  readonly options: {
    readonly child?: {
      readonly pid?: number | undefined;
      exitCode: number | null;
      signalCode: string | null;
    };
  };
  readonly detail: string | null;
}

export function describeEngine(watched: Iterable<Described>): EngineDescription {
  const processes: EngineDescription['processes'][number][] = [];
  const details: string[] = [];
  for (const { options, detail } of watched) {
    if (detail !== null) details.push(detail);
    const { child } = options;
    if (child?.pid === undefined) continue;
    const exit = child.exitCode ?? child.signalCode;
    const state = exit === null ? readProcessState(child.pid) : null;
    processes.push({
      pid: child.pid,
      state: exit === null ? (state?.state ?? null) : 'gone',
      wchan: exit === null ? readWaitChannel(child.pid) : null,
      threads: state?.threads ?? null,
      cpuMs: state?.cpuMs ?? null,
      exit,
    });
  }
  return { processes, details };
}
