/** What one scenario came to. Sums over many scenarios are made by `addStats`. */
export const IN_TIME_MS = 4000;

export interface Stats {
  requests: number;
  finished: number;
  /** By outcome. */
  failed: Record<string, number>;
  /** Before they began, by reason. */
  rejected: Record<string, number>;
  tokens: number;
  dispatches: number;
  paidRetries: number;
  migrations: number;
  hedges: number;
  planned: number;
  localFinishes: number;
  ejections: number;
  /** Of workers that nothing was wrong with. */
  falseEjections: number;
  poison: number;
  /** Requests that had their whole answer within `IN_TIME_MS` of their arrival. */
  inTime: number;
  /** Canaries that made a worker unready. */
  unready: number;
  /** Chances at which a worker that was well could have been ejected by mistake. */
  probes: number;
  faults: number;
  /** From a fault to the moment at which the router prefers others, by kind of fault, milliseconds. */
  detections: Record<string, number[]>;
  /** Faults that frontends could notice, once for each frontend, by kind. */
  started: Record<string, number>;
  /** Faults that ended before anyone saw them, by kind. */
  unseen: Record<string, number>;
}

export function emptyStats(): Stats {
  return {
    requests: 0,
    finished: 0,
    failed: {},
    rejected: {},
    tokens: 0,
    dispatches: 0,
    paidRetries: 0,
    migrations: 0,
    hedges: 0,
    planned: 0,
    localFinishes: 0,
    ejections: 0,
    falseEjections: 0,
    poison: 0,
    inTime: 0,
    unready: 0,
    probes: 0,
    faults: 0,
    detections: {},
    started: {},
    unseen: {},
  };
}

export function count(record: Record<string, number>, key: string, by = 1): void {
  record[key] = (record[key] ?? 0) + by;
}

export function note(record: Record<string, number[]>, key: string, value: number): void {
  const values = record[key];
  if (values === undefined) record[key] = [value];
  else values.push(value);
}

/** Adds `more` to `sum`. */
export function addStats(sum: Stats, more: Stats): void {
  for (const key of Object.keys(sum) as (keyof Stats)[]) {
    const value = more[key];
    if (typeof value === 'number') (sum[key] as number) += value;
  }
  for (const [key, value] of Object.entries(more.failed)) count(sum.failed, key, value);
  for (const [key, value] of Object.entries(more.rejected)) count(sum.rejected, key, value);
  for (const [key, value] of Object.entries(more.started)) count(sum.started, key, value);
  for (const [key, value] of Object.entries(more.unseen)) count(sum.unseen, key, value);
  for (const [kind, times] of Object.entries(more.detections))
    for (const time of times) note(sum.detections, kind, time);
}
