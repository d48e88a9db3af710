import type { FamilySet, HistogramRow, Labels } from '../family.js';
import { type HistogramInput, type MetricsInput, PHASES, STATUSES } from '../input.js';

/** What the probes say: build, verdict, phase, components. */
export function addStateFamilies(set: FamilySet, { build, state, components, nowMs }: MetricsInput): void {
  set.gauge('build_info', 'Is always 1; the labels tell the build.').add(1, {
    version: build.version,
    native: build.native ? 'available' : 'unavailable',
    http_engine: build.httpEngine,
    node: build.node,
  });
  set.gauge('live', 'Whether liveness is passing.').add(state.live ? 1 : 0);
  set.gauge('ready', 'Whether readiness is passing.').add(state.ready ? 1 : 0);
  set.gauge('phase', 'Is 1 for the present phase and 0 for the others.').oneOf(PHASES, state.phase, 'phase');
  set
    .gauge('status', 'Is 1 for the present status of the whole and 0 for the others.')
    .oneOf(STATUSES, state.status, 'status');

  const status = set.gauge(
    'component_status',
    'Is 1 for the present status of the component and 0 for the others.',
  );
  const age = set.gauge(
    'component_age_seconds',
    'Time since the fact behind the status of the component was observed.',
  );
  for (const component of components) {
    status.oneOf(STATUSES, component.status, 'status', { component: component.name });
    age.add(Math.max(0, nowMs - component.observedAtMs) / 1000, { component: component.name });
  }
}

/** The loop of the main thread. */
export function addLoopFamilies(set: FamilySet, { loop }: MetricsInput): void {
  if (loop === null) return;
  set
    .gauge(
      'event_loop_busy_seconds',
      'For how long the event loop has been in its present iteration, 0 while it waits.',
    )
    .add(loop.busyMs / 1000);
  set
    .gauge(
      'event_loop_utilization_ratio',
      'Share of the last interval in which the event loop was busy, 0 to 1.',
    )
    .add(loop.utilization);
  set.summary(
    'event_loop_stall_seconds',
    'Iterations of the event loop that took 100 ms or more: time in all, and how many.',
    [{ labels: {}, sum: loop.stallTotalMs / 1000, count: loop.stallCount }],
  );
  set
    .gauge('event_loop_longest_stall_seconds', 'The longest iteration of the event loop since start.')
    .add(loop.longestStallMs / 1000);
  set.counter('event_loop_iterations_total', 'Iterations of the event loop.').add(loop.iterations);
}

/** The requests that the application counts. */
export function addRequestFamilies(set: FamilySet, { requests }: MetricsInput): void {
  if (requests === null) return;
  set.gauge('requests_in_flight', 'Requests that have begun and not ended.').add(requests.active);
  set
    .counter('requests_total', 'Requests that ended.')
    .add(requests.total - requests.failed, { outcome: 'ok' })
    .add(requests.failed, { outcome: 'error' });
  if (requests.durations !== null) {
    set.histogram('request_duration_seconds', 'How long requests took from begin to end.', [
      secondsRow({}, requests.durations),
    ]);
  }
  set.counter('tokens_total', 'Tokens that requests reported.').add(requests.tokens);
}

/** The probes themselves, counted where they are answered. */
export function addProbeFamilies(set: FamilySet, { probe, probeThreadReplacements }: MetricsInput): void {
  const requests = set.counter(
    'probe_requests_total',
    'Answers of the probe listeners by route and status class.',
  );
  const rows: HistogramRow[] = [];
  probe.routes.forEach((route, index) => {
    for (let statusClass = 1; statusClass <= 5; statusClass += 1) {
      const count = probe.counts[index * 5 + statusClass - 1] ?? 0;
      // A class that never occurred is no series; `route` has at most a dozen values.
      if (count > 0) requests.add(count, { route, status: `${statusClass}xx` });
    }
    const durations = probe.durations[index];
    if (durations?.counts.some((count) => count > 0)) rows.push(secondsRow({ route }, durations));
  });
  set.histogram('probe_duration_seconds', 'How long an answer took from handler entry to the write.', rows);
  set.gauge('probe_connections', 'Open connections of all probe listeners.').add(probe.connections);
  set
    .counter('probe_thread_replacements_total', 'Times that a probe thread died and was replaced.')
    .add(probeThreadReplacements);
}

/** A histogram in seconds from one in milliseconds. */
export function secondsRow(labels: Labels, durations: HistogramInput): HistogramRow {
  // 12 digits: dividing by 1000 must not turn 0.07 into 0.07000000000000001 in a label.
  const bounds = Array.from(durations.boundsMs, (bound) => Number((bound / 1000).toPrecision(12)));
  return { labels, bounds, counts: durations.counts, sum: durations.sumMs / 1000 };
}
