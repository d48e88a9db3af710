import { LIVE, type Moment } from '../dialects/template.js';
import type { RequestsReader, RequestsSummary } from '../requests/reader.js';

export function fillLive(live: Float64Array, summary: RequestsSummary): void {
  live[LIVE.activeRequests] = summary.active;
  live[LIVE.totalRequests] = summary.total;
  live[LIVE.errorRatePercent] = summary.errorRatePercent;
  live[LIVE.avgResponseMs] = summary.avgMs;
  live[LIVE.p50ResponseMs] = summary.p50Ms;
  live[LIVE.p95ResponseMs] = summary.p95Ms;
  live[LIVE.p99ResponseMs] = summary.p99Ms;
  live[LIVE.tokensPerSecond] = summary.tokensPerSecond;
}

/** Sums the request counters only when one has moved or the minute has slid. */
export function createLive(requests: RequestsReader): (moment: Moment) => void {
  let countedVersion = -1;
  let countedUntilMs = 0;
  return ({ live, monoMs }) => {
    const version = requests.version();
    if (version === countedVersion && monoMs < countedUntilMs) return;
    const summary = requests.read(monoMs);
    countedVersion = version;
    countedUntilMs = summary.validUntilMs;
    fillLive(live, summary);
  };
}
