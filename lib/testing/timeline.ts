/** What happened, of all processes of a fleet, in one order: their JSON log lines, the faults, and what the load saw. */

export interface TimelineEvent {
  /** Wall clock. */
  readonly atMs: number;
  /** Name of the process; `fault` and `load` for what the test did and saw. */
  readonly source: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface Timeline {
  readonly events: readonly TimelineEvent[];
  add(event: Omit<TimelineEvent, 'atMs'> & { readonly atMs?: number }): void;
  /** @returns takes the listener away */
  on(listener: (event: TimelineEvent) => void): () => void;
  /** Resolves with the first event that fits, of those that were and those to come. */
  until(fits: (event: TimelineEvent) => boolean, limitMs: number, what: string): Promise<TimelineEvent>;
}

/** @param maxEvents older ones are dropped: a long run logs much. Default 100 000 */
export function createTimeline(maxEvents = 100_000): Timeline {
  let events: TimelineEvent[] = [];
  const listeners = new Set<(event: TimelineEvent) => void>();

  function on(listener: (event: TimelineEvent) => void): () => void {
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }

  return {
    get events() {
      return events;
    },
    add(given) {
      const event = { atMs: Date.now(), ...given };
      events.push(event);
      if (events.length > maxEvents) events = events.slice(-maxEvents / 2);
      for (const listener of [...listeners]) listener(event);
    },
    on,
    until(fits, limitMs, what) {
      const found = events.find(fits);
      if (found !== undefined) return Promise.resolve(found);
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          off();
          reject(new Error(`not within ${limitMs} ms: ${what}`));
        }, limitMs);
        const off = on((event) => {
          if (!fits(event)) return;
          off();
          clearTimeout(timer);
          resolve(event);
        });
      });
    },
  };
}

/** Fields that every line has, or that say nothing to a reader of the story. */
const PLAIN = new Set(['level', 'time', 'pid', 'msg', 'url', 'probes', 'request']);

/** A line of a log, as JSON; null: it is no such line. */
export function parseLogLine(source: string, line: string): TimelineEvent | null {
  if (!line.startsWith('{')) return null;
  try {
    const fields = JSON.parse(line) as Record<string, unknown>;
    if (typeof fields.msg !== 'string') return null;
    const atMs = typeof fields.time === 'string' ? Date.parse(fields.time) : Date.now();
    return { atMs, source, message: fields.msg, fields };
  } catch {
    return null;
  }
}

/**
 * A table that a person can follow: seconds since `fromMs`, who, what.
 * @param shows which events; default all
 */
export function renderTimeline(
  events: readonly TimelineEvent[],
  fromMs: number,
  shows: (event: TimelineEvent) => boolean = () => true,
): string {
  const rows = [...events]
    .sort((a, b) => a.atMs - b.atMs)
    .filter(shows)
    .map(({ atMs, source, message, fields }) => [
      ((atMs - fromMs) / 1000).toFixed(3),
      source,
      [message, ...Object.entries(fields).flatMap(([name, value]) => inWords(name, value))].join(' '),
    ]);
  const width = (column: number): number => Math.max(...rows.map((row) => row[column]?.length ?? 0), 0);
  const [times, sources] = [width(0), width(1)];
  return rows
    .map(
      ([time = '', source = '', what = '']) => `${time.padStart(times)}  ${source.padEnd(sources)}  ${what}`,
    )
    .join('\n');
}

function inWords(name: string, value: unknown): string[] {
  if (PLAIN.has(name) || value === '' || value === null || (Array.isArray(value) && value.length === 0))
    return [];
  return [`${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`];
}
