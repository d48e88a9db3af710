import type { Component } from '../status/types.js';
import { canaryDocument } from './canary-document.js';
import { timestamp } from './digits.js';
import { gpuMetrics, gpusDocument } from './gpu-document.js';
import { cgroupDocument, cpuUsagePercent, hostDocument, memoryUsageMb } from './host-document.js';
import { loadDocument } from './load-document.js';
import { JSON_TYPE, OK, UNAVAILABLE } from './status-lines.js';
import { EMPTY, jsonTemplate, LIVE, slot } from './template.js';
import type { Details, Reply, Routes, StallView, View } from './view.js';

/** `/health`, `/health/live`, `/health/ready` of BitNet.rs, with added keys that its clients ignore. */
export const bitnetHealth: Routes = {
  '/health': { dependsOn: 'document', render: health },
};

/** The same on every listener, whatever its dialect. */
export const bitnetProbes: Routes = {
  '/health/live': {
    dependsOn: 'verdict',
    render: ({ verdict }): Reply => {
      const status = verdict.liveAfterGrace ? 'healthy' : verdict.live ? 'degraded' : 'unhealthy';
      return {
        statusLine: verdict.liveAfterGrace ? OK : UNAVAILABLE,
        contentType: JSON_TYPE,
        body: jsonTemplate({ status, timestamp: slot.timestamp }),
      };
    },
  },
  '/health/ready': {
    dependsOn: 'verdict',
    render: ({ verdict }): Reply => ({
      statusLine: verdict.ready ? OK : UNAVAILABLE,
      contentType: null,
      body: EMPTY,
    }),
  },
};

function health(view: View, details: Details): Reply {
  const { verdict, build } = view;
  const ok = verdict.health === 'healthy' || (verdict.health === 'degraded' && view.degradedOk);
  const at = (monoMs: number): string => timestamp(monoMs + view.unixOffsetMs);
  const document = {
    status: verdict.health,
    timestamp: slot.timestamp,
    uptime_seconds: slot.secondsSince(view.startedAtMs),
    version: build.version,
    build: view.gpu?.cudaVersion == null ? build : { ...build, cuda_version: view.gpu.cudaVersion },
    components: Object.fromEntries(
      verdict.components.map((entry) => [entry.name, component(entry, details, at)]),
    ),
    metrics: metrics(view),
    phase: verdict.phase,
    reasons: verdict.reasons.map(({ component: name, code, message, sinceMs, action, restartHelps }) => ({
      component: name,
      code,
      message,
      since: at(sinceMs),
      ...(action === undefined ? {} : { action, restart_helps: restartHelps }),
    })),
    ...(verdict.endpoints.length === 0
      ? {}
      : { endpoints: Object.fromEntries(verdict.endpoints.map(({ name, status }) => [name, status])) }),
    host: { ...hostDocument(view.host), source: view.native ? 'native' : 'javascript' },
    cgroup: cgroupDocument(view.host),
    event_loop: eventLoop(view, details),
    ...(view.load == null ? {} : { load: loadDocument(view.load) }),
    ...(verdict.canaries.length === 0 ? {} : { canary: canaryDocument(verdict.canaries, details, at) }),
    ...(view.gpu === null ? {} : { gpus: gpusDocument(view.gpu, details) }),
  };
  return { statusLine: ok ? OK : UNAVAILABLE, contentType: JSON_TYPE, body: jsonTemplate(document) };
}

function component(entry: Component, details: Details, at: (monoMs: number) => string): object {
  return {
    status: entry.status === 'unknown' ? 'degraded' : entry.status,
    message: entry.message,
    last_check: entry.continuous ? slot.timestamp : at(entry.observedAtMs),
    response_time_ms: entry.durationMs === null ? null : Math.round(entry.durationMs),
    reason: entry.reason,
    age_ms: entry.continuous ? 0 : slot.millisecondsSince(entry.observedAtMs),
    critical: entry.critical,
    ...(details === 'full' && entry.detail !== null ? { detail: entry.detail } : {}),
  };
}

function metrics({ host, gpu }: View): object {
  const memory = memoryUsageMb(host);
  const cpu = cpuUsagePercent(host);
  return {
    active_requests: slot.live(LIVE.activeRequests),
    total_requests: slot.live(LIVE.totalRequests),
    error_rate_percent: slot.live(LIVE.errorRatePercent),
    avg_response_time_ms: slot.live(LIVE.avgResponseMs),
    ...(memory === null ? {} : { memory_usage_mb: memory }),
    tokens_per_second: slot.live(LIVE.tokensPerSecond),
    ...(cpu === null ? {} : { cpu_usage_percent: cpu }),
    ...(gpu === null ? {} : gpuMetrics(gpu)),
    p50_response_time_ms: slot.live(LIVE.p50ResponseMs),
    p95_response_time_ms: slot.live(LIVE.p95ResponseMs),
    p99_response_time_ms: slot.live(LIVE.p99ResponseMs),
  };
}

const finite = (key: string, value: number): object =>
  Number.isFinite(value) ? { [key]: Number(value.toFixed(3)) } : {};

function eventLoop({ loop, verdict }: View, details: Details): object {
  const blocked = verdict.reasons.some(
    ({ code }) => code === 'event_loop.blocked' || code === 'event_loop.stalled',
  );
  return {
    monitored: loop.monitored,
    blocked,
    busy_ms: slot.live(LIVE.loopBusyMs),
    ...finite('longest_stall_ms', loop.longestStallMs),
    ...finite('stall_count', loop.stallCount),
    ...finite('stall_total_ms', loop.stallTotalMs),
    ...finite('utilization', loop.utilization),
    ...(details === 'full' && loop.lastStall !== null ? { last_stall: stallDocument(loop.lastStall) } : {}),
  };
}

/** A stall as the document and the log have it: a line of text for each frame. */
export function stallDocument(report: StallView): object {
  return {
    at: timestamp(report.atUnixMs),
    busy_ms: Math.round(report.busyMs),
    kind: report.kind,
    stack: report.frames.map(
      ({ functionName, url, line, column }) => `${functionName || '(anonymous)'} (${url}:${line}:${column})`,
    ),
    ...(report.thread === null
      ? {}
      : { thread: { state: report.thread.state, wchan: report.thread.wchan, cpu_ms: report.thread.cpuMs } }),
  };
}
