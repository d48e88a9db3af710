/** Every name of ours starts so; `app-metrics` families that do are dropped only when they clash. */
export const PREFIX = 'inference_health_';

export type FamilyType = 'gauge' | 'counter' | 'histogram' | 'summary';
export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  /** Full name where it differs from the family's (`…_bucket`, `…_sum`, `…_count`). */
  readonly metricName?: string;
  readonly labels: Labels;
  readonly value: number;
}

/** One metric with all its samples: what becomes `# HELP`, `# TYPE` and lines. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: FamilyType;
  readonly values: Sample[];
}

/** Adds samples to one family. A value that is not a finite number is not known and adds nothing. */
export interface FamilyWriter {
  add(value: number | null | undefined, labels?: Labels): FamilyWriter;
  /** One 0/1 sample for each of `names`, under the label `label`: 1 for `current`. An unknown `current` adds nothing. */
  oneOf(names: readonly string[], current: string, label: string, labels?: Labels): FamilyWriter;
}

export interface FamilySet {
  gauge(name: string, help: string): FamilyWriter;
  /** `name` ends in `_total`; the values are totals since start. */
  counter(name: string, help: string): FamilyWriter;
  /** A summary without quantiles: how much in all, and how often. */
  summary(name: string, help: string, rows: readonly SummaryRow[]): void;
  histogram(name: string, help: string, rows: readonly HistogramRow[]): void;
  /** The families that have at least one sample, in the order in which they were opened. */
  readonly families: () => Family[];
}

export interface SummaryRow {
  readonly labels: Labels;
  readonly sum: number;
  readonly count: number;
}

export interface HistogramRow {
  readonly labels: Labels;
  /** Upper bounds in the metric's base unit. */
  readonly bounds: readonly number[];
  /** Observations per bucket, not cumulative; one more than `bounds`. */
  readonly counts: ArrayLike<number>;
  readonly sum: number;
}

export function createFamilySet(prefix = PREFIX): FamilySet {
  const all: Family[] = [];

  function open(name: string, help: string, type: FamilyType): Family {
    const family: Family = { name: prefix + name, help, type, values: [] };
    all.push(family);
    return family;
  }

  function writer(family: Family): FamilyWriter {
    const self: FamilyWriter = {
      add(value, labels = {}) {
        if (typeof value === 'number' && Number.isFinite(value)) family.values.push({ labels, value });
        return self;
      },
      oneOf(names, current, label, labels = {}) {
        if (names.includes(current)) {
          for (const name of names) self.add(name === current ? 1 : 0, { ...labels, [label]: name });
        }
        return self;
      },
    };
    return self;
  }

  return {
    gauge: (name, help) => writer(open(name, help, 'gauge')),
    counter: (name, help) => writer(open(name, help, 'counter')),
    summary(name, help, rows) {
      const family = open(name, help, 'summary');
      for (const { labels, sum, count } of rows) {
        if (!Number.isFinite(sum) || !Number.isFinite(count)) continue;
        family.values.push({ metricName: `${family.name}_sum`, labels, value: sum });
        family.values.push({ metricName: `${family.name}_count`, labels, value: count });
      }
    },
    histogram(name, help, rows) {
      const family = open(name, help, 'histogram');
      for (const row of rows) addHistogramRow(family, row);
    },
    families: () => all.filter((family) => family.values.length > 0),
  };
}

function addHistogramRow(family: Family, { labels, bounds, counts, sum }: HistogramRow): void {
  const bucketName = `${family.name}_bucket`;
  let cumulative = 0;
  for (let bucket = 0; bucket < bounds.length; bucket += 1) {
    cumulative += counts[bucket] ?? 0;
    family.values.push({
      metricName: bucketName,
      labels: { ...labels, le: String(bounds[bucket]) },
      value: cumulative,
    });
  }
  cumulative += counts[bounds.length] ?? 0;
  family.values.push({ metricName: bucketName, labels: { ...labels, le: '+Inf' }, value: cumulative });
  family.values.push({ metricName: `${family.name}_sum`, labels, value: sum });
  family.values.push({ metricName: `${family.name}_count`, labels, value: cumulative });
}
