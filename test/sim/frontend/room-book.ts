/** Whether a worker surely has room, by its last report and what was sent there since. */
import type { Thresholds } from '../../../lib/fleet/admission/thresholds.js';

interface Report {
  readonly kvRatio: number;
  prefillTokens: number;
}

/** Below the lower border of every threshold, by far. */
const SURELY = 0.6;

export function createRoomBook({ activeDecodeBlocks, activePrefillTokens }: Partial<Thresholds>) {
  const reports = new Map<string, Report>();
  const hasThresholds = activeDecodeBlocks !== undefined || activePrefillTokens !== undefined;
  return {
    reported(worker: string, kvRatio: number, prefillTokens: number): void {
      if (hasThresholds) reports.set(worker, { kvRatio, prefillTokens });
    },
    sent(worker: string, tokens: number): void {
      const report = reports.get(worker);
      if (report !== undefined) report.prefillTokens += tokens;
    },
    forgotten(worker: string): void {
      reports.delete(worker);
    },
    holds(tokens: number): boolean {
      if (!hasThresholds) return true;
      for (const { kvRatio, prefillTokens } of reports.values())
        if (
          kvRatio < SURELY * (activeDecodeBlocks ?? Number.POSITIVE_INFINITY) &&
          prefillTokens + tokens < SURELY * (activePrefillTokens ?? Number.POSITIVE_INFINITY)
        )
          return true;
      return false;
    },
  };
}
