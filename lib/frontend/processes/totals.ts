/** Metrics of all processes as one, with what those that have ended had counted: no counter goes back with a process. */
import { AggregatorRegistry, Counter, Gauge, Registry } from 'prom-client';
import { PREFIX } from '../../metrics/family.js';
import type { Figures } from './messages.js';

export interface Totals {
  /** What a process counts, as of now. */
  set(process: number, figures: Figures): void;
  ended(process: number): void;
  restarted(): void;
  text(): Promise<string>;
}

export function createTotals(processes: () => number): Totals {
  const latest = new Map<number, Figures>();
  let departed: Figures = [];
  const own = new Registry();
  const registers = [own];
  const restarts = new Counter({
    name: `${PREFIX}frontend_restarts_total`,
    help: 'Processes of the frontend that were started again.',
    registers,
  });
  new Gauge({
    name: `${PREFIX}frontend_processes`,
    help: 'Processes of the frontend that take requests.',
    registers,
    collect() {
      this.set(processes());
    },
  });

  return {
    set: (process, figures) => void latest.set(process, figures),
    ended(process) {
      const last = latest.get(process);
      latest.delete(process);
      if (last === undefined) return;
      // What was counted stays; what was so at a time is so no more. With one part each of the same kind the sum is that part.
      const counted = last.filter(({ type }) => String(type) !== 'gauge');
      departed = sum([...departed, ...counted]);
    },
    restarted: () => restarts.inc(),
    async text() {
      const ownFigures = (await own.getMetricsAsJSON()) as unknown as Figures;
      const all = [departed, ...latest.values(), ownFigures];
      return AggregatorRegistry.aggregate(all as object as object[]).metrics();
    },
  };
}

/** One part for each metric: what is kept must not grow with every restart. */
function sum(figures: Figures): Figures {
  const names = [...new Set(figures.map(({ name }) => name))];
  return names.map((name) => {
    const same = figures.filter((each) => each.name === name);
    const [first] = same;
    const values = new Map<string, Figures[number]['values'][number]>();
    for (const value of same.flatMap((each) => each.values)) {
      const key = JSON.stringify([value.metricName, Object.entries(value.labels).sort()]);
      const known = values.get(key);
      values.set(key, known === undefined ? value : { ...known, value: known.value + value.value });
    }
    return { ...(first as Figures[number]), values: [...values.values()] };
  });
}
