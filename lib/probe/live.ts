import type { LoadReader, LoadSummary } from '../admission/load-block.js';
import { REJECTION_REASONS } from '../admission/policy.js';
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

function fillLoad(live: Float64Array, { admitted, queued, rejections, figures }: LoadSummary): void {
  live[LIVE.loadAdmitted] = admitted;
  live[LIVE.loadQueued] = queued;
  let rejected = 0;
  for (const reason of REJECTION_REASONS) rejected += rejections[reason];
  live[LIVE.loadRejected] = rejected;
  live[LIVE.loadRunning] = figures.running;
  live[LIVE.loadWaiting] = figures.waiting;
  live[LIVE.loadKvBlocksUsed] = figures.kvBlocksUsed;
  live[LIVE.loadKvBlocksTotal] = figures.kvBlocksTotal;
  live[LIVE.loadPrefillTokens] = figures.prefillTokens;
}

/** Reads the load only when it has changed; its age always. */
function createLoadLive(load: LoadReader): (moment: Moment) => void {
  let readVersion = -1;
  let reportedAtMs = Number.NaN;
  return ({ live, monoMs }) => {
    const version = load.version();
    if (version !== readVersion) {
      readVersion = version;
      const summary = load.read();
      reportedAtMs = summary.reportedAtMs;
      fillLoad(live, summary);
    }
    live[LIVE.loadAgeMs] = Math.max(0, Math.floor(monoMs - reportedAtMs));
  };
}

/** Sums the request counters only when one has moved or the minute has slid. */
export function createLive(requests: RequestsReader, load?: LoadReader): (moment: Moment) => void {
  const refreshLoad = load === undefined ? null : createLoadLive(load);
  const refreshRequests = createRequestsLive(requests);
  return (moment) => {
    refreshRequests(moment);
    refreshLoad?.(moment);
  };
}

function createRequestsLive(requests: RequestsReader): (moment: Moment) => void {
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
