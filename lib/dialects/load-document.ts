import { LIVE, slot } from './template.js';

/** Which load figures there are; the numbers themselves are those of the moment of the answer. */
export interface LoadView {
  /** Null without `limits.maxConcurrent`. */
  readonly limits: { readonly maxConcurrent: number; readonly maxQueue: number } | null;
  /** What the application has reported. */
  readonly figures: readonly ('running' | 'waiting' | 'kvBlocksUsed' | 'kvBlocksTotal' | 'prefillTokens')[];
}

const KEYS = {
  running: ['running', LIVE.loadRunning],
  waiting: ['waiting', LIVE.loadWaiting],
  kvBlocksUsed: ['kv_blocks_used', LIVE.loadKvBlocksUsed],
  kvBlocksTotal: ['kv_blocks_total', LIVE.loadKvBlocksTotal],
  prefillTokens: ['prefill_tokens', LIVE.loadPrefillTokens],
} as const;

/** The key `load` of `/health`. */
export function loadDocument({ limits, figures }: LoadView): object {
  return {
    admitted: slot.live(LIVE.loadAdmitted),
    queued: slot.live(LIVE.loadQueued),
    rejected: slot.live(LIVE.loadRejected),
    ...(limits === null ? {} : { max_concurrent: limits.maxConcurrent, max_queue: limits.maxQueue }),
    ...Object.fromEntries(figures.map((name) => [KEYS[name][0], slot.live(KEYS[name][1])])),
    ...(figures.length === 0 ? {} : { age_ms: slot.live(LIVE.loadAgeMs) }),
  };
}

/** The line of `/readyz?verbose`: load never gates. */
export function loadLine({ limits, figures }: LoadView): string {
  const places = limits === null ? '' : ` of ${limits.maxConcurrent}`;
  const queue = limits === null ? '' : ` of ${limits.maxQueue}`;
  const own = `${slot.live(LIVE.loadAdmitted)}${places} admitted, ${slot.live(LIVE.loadQueued)}${queue} queued`;
  const reported = figures.map((name) => `, ${KEYS[name][0]} ${slot.live(KEYS[name][1])}`);
  return `[+]load ${own}${reported.join('')}`;
}
