import type { AppErrorReason } from './families/self.js';

/** From the main thread to the agent thread, on a port of their own: a large text must not pass through the probe thread. */
export type AppMetricsMessage =
  | { readonly kind: 'text'; readonly text: string /** Monotonic milliseconds. */; readonly atMs: number }
  | { readonly kind: 'error'; readonly reason: AppErrorReason };

/** From the agent thread to the main thread. */
export interface ScrapedMessage {
  readonly kind: 'scraped';
}
