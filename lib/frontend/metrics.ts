/** What a frontend counts, as Prometheus text. Labels come from the configuration and from our own words alone. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { EventsView } from '../events/options.js';
import { PREFIX } from '../metrics/family.js';
import { createAdmissionMetrics, type ReadGate, type TenantMetrics } from './admission-metrics.js';
import { addEventMetrics } from './event-metrics.js';
import type { MemberView } from './member-view.js';
import type { Figures } from './processes/messages.js';

export interface FrontendMetrics {
  readonly contentType: string;
  text(): Promise<string>;
  /** The same for who sums up several processes. */
  figures(): Promise<Figures>;
  migrated(outcome: string, mode: string): void;
  ejected(): void;
  tokens(count: number): void;
  rejected(reason: string): void;
  /** From the last byte of a request to the end of its refusal, where it was refused at once. */
  refusedAfter(seconds: number): void;
  ended(outcome: string, seconds: number): void;
  firstToken(seconds: number): void;
  readonly tenant: TenantMetrics;
  /** From now on there is NATS. */
  addEvents(view: () => EventsView): void;
}

const DURATIONS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
const REFUSALS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1];
const FIRST_TOKENS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export function createFrontendMetrics(read: {
  inFlight(): number;
  queued(): number;
  members(): readonly MemberView[];
  gate(): ReadGate;
  /** Tenants that labels may name; null: none are read. */
  readonly tenants: readonly string[] | null;
}): FrontendMetrics {
  const registry = new Registry();
  const registers = [registry];
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ name: PREFIX + name, help, labelNames, registers });
  const migrations = counter('migrations_total', 'Choices that went on at another worker, by why and how.', [
    'outcome',
    'mode',
  ]);
  const ejections = counter('worker_ejections_total', 'Workers that were taken out of the choice.');
  const tokens = counter('tokens_total', 'Tokens that workers have sent.');
  const rejections = counter('rejections_total', 'Requests that were refused, by why.', ['reason']);
  const requests = counter('requests_total', 'Requests that ended, by how.', ['outcome']);
  const durations = new Histogram({
    name: `${PREFIX}request_duration_seconds`,
    help: 'Time from a request to the end of its answer.',
    buckets: DURATIONS,
    registers,
  });
  const refusals = new Histogram({
    name: `${PREFIX}rejection_duration_seconds`,
    help: 'Time from the last byte of a request to the end of its refusal, where it was refused at once.',
    buckets: REFUSALS,
    registers,
  });
  const firstTokens = new Histogram({
    name: `${PREFIX}time_to_first_token_seconds`,
    help: 'Time from a request to its first token.',
    buckets: FIRST_TOKENS,
    registers,
  });
  const gauge = (name: string, help: string, collect: (own: Gauge) => void) =>
    new Gauge({
      name: PREFIX + name,
      help,
      registers,
      collect() {
        collect(this);
      },
    });
  gauge('requests_in_flight', 'Requests that run or wait.', (own) => own.set(read.inFlight()));
  gauge('requests_queued', 'Requests that wait for a place.', (own) => own.set(read.queued()));
  const workers = (
    name: string,
    help: string,
    aggregator: 'sum' | 'max',
    value: (member: MemberView) => number,
  ): void => {
    new Gauge({
      name: PREFIX + name,
      help,
      labelNames: ['worker'],
      aggregator,
      registers,
      collect() {
        // Those that have left are to be left out.
        this.reset();
        for (const member of read.members()) this.set({ worker: member.url }, value(member));
      },
    });
  };
  workers('worker_ejected', 'Whether the worker is out of the choice.', 'max', ({ isEjected }) =>
    Number(isEjected),
  );
  workers('worker_serving', 'Whether the worker is there and takes requests.', 'max', ({ state }) =>
    Number(state === 'serving'),
  );
  workers('worker_requests_in_flight', 'Own requests at the worker.', 'sum', ({ inFlight }) => inFlight);

  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    figures: async () => (await registry.getMetricsAsJSON()) as unknown as Figures,
    migrated: (outcome, mode) => migrations.inc({ outcome, mode }),
    ejected: () => ejections.inc(),
    tokens: (count) => tokens.inc(count),
    rejected: (reason) => rejections.inc({ reason }),
    refusedAfter: (seconds) => refusals.observe(seconds),
    ended(outcome, seconds) {
      requests.inc({ outcome });
      durations.observe(seconds);
    },
    firstToken: (seconds) => firstTokens.observe(seconds),
    tenant: createAdmissionMetrics(registry, read.gate, read.tenants),
    addEvents: (view) => addEventMetrics(registry, view),
  };
}
