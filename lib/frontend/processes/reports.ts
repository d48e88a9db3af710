/** Counts requests of a process for the one that answers its probes; see {@link followReports} for the other end. */
import type { Health } from '../../lifecycle/health.js';
import type { RequestHandle } from '../../requests/tracker.js';
import type { RequestReport } from './messages.js';

export interface Reports {
  /** Stands where a `Health` would count. */
  begin(): RequestHandle;
  /** What has happened since the last call; null: nothing. */
  take(): RequestReport | null;
}

/** @param onBusy a request has begun where none was in flight: who drains then must know at once that there is something to wait for */
export function createReports(onBusy: () => void = () => undefined): Reports {
  let begun = 0;
  let ended = 0;
  let failed = 0;
  let tokens = 0;
  let inFlight = 0;
  return {
    begin() {
      begun += 1;
      inFlight += 1;
      let isOpen = true;
      if (inFlight === 1) onBusy();
      const close = (isFailure: boolean): void => {
        if (!isOpen) return;
        isOpen = false;
        inFlight -= 1;
        if (isFailure) failed += 1;
        else ended += 1;
      };
      return {
        tokens(n) {
          tokens += n;
        },
        end: () => close(false),
        fail: () => close(true),
        [Symbol.dispose]: () => close(false),
      };
    },
    take() {
      if (begun + ended + failed + tokens === 0) return null;
      const report = { begun, ended, failed, tokens, inFlight };
      begun = ended = failed = tokens = 0;
      return report;
    },
  };
}

export interface FollowedReports {
  readonly inFlight: number;
  take(report: RequestReport): void;
  /** The process has ended, and what ran there with it. */
  lost(): void;
}

/** Repeats requests of another process here: which of them ended is not told, how many and after how long on average is. */
export function followReports(begin: Health['requests']['begin']): FollowedReports {
  const open: RequestHandle[] = [];
  return {
    get inFlight() {
      return open.length;
    },
    take({ begun, ended, failed, tokens }) {
      for (let i = 0; i < begun; i += 1) open.push(begin());
      open[0]?.tokens(tokens);
      for (let i = 0; i < failed; i += 1) open.shift()?.fail();
      for (let i = 0; i < ended; i += 1) open.shift()?.end();
    },
    lost() {
      for (const handle of open.splice(0)) handle.fail();
    },
  };
}
