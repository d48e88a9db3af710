import type { MessagePort } from 'node:worker_threads';
import { monoMs } from '../native/clock.js';
import type { AppMetricsMessage, ScrapedMessage } from './app-messages.js';
import type { AppErrorReason } from './families/self.js';

/** What is needed of the application's registry; prom-client's and compatible ones have it. */
export interface MetricsRegistry {
  metrics(): string | Promise<string>;
}

export interface AppMetricsOptions {
  readonly registry: MetricsRegistry;
  /** How often the text is refreshed while someone scrapes, milliseconds. Default 5000. */
  readonly refreshMs?: number;
  /** How long after a scrape refreshing goes on, milliseconds. Default 120000: two scrape intervals of a minute. */
  readonly activeMs?: number;
}

/** Main thread's half of merging the application's metrics into `/metrics`. */
export interface AppMetrics {
  /** Takes the port that the probe thread sends whenever an agent thread has started; the one before is closed. */
  attach(port: MessagePort): void;
  close(): void;
}

/** Characters; larger texts are left out: reading one of this size takes up to a second of a scrape's two. */
const MAX_TEXT_LENGTH = 8 * 1024 * 1024;
/** A registry whose promise has not settled by then counts as one error; it is never asked twice at a time. */
const REFRESH_TIMEOUT_MS = 30_000;

/** Refreshes only while someone scrapes, never overlapping, without keeping the process alive. */
export function createAppMetrics({
  registry,
  refreshMs = 5000,
  activeMs = 120_000,
}: AppMetricsOptions): AppMetrics {
  let port: MessagePort | null = null;
  let timer: NodeJS.Timeout | null = null;
  let scrapedAtMs = Number.NEGATIVE_INFINITY;
  let refreshedAtMs = Number.NEGATIVE_INFINITY;
  let isRefreshing = false;

  function send(message: AppMetricsMessage): void {
    port?.postMessage(message);
  }

  function fail(reason: AppErrorReason): void {
    send({ kind: 'error', reason });
  }

  async function refresh(): Promise<void> {
    if (isRefreshing) return;
    isRefreshing = true;
    refreshedAtMs = monoMs();
    const timeout = setTimeout(fail, REFRESH_TIMEOUT_MS, 'timeout').unref();
    try {
      const text: unknown = await registry.metrics();
      if (typeof text !== 'string') fail('registry');
      else if (text.length > MAX_TEXT_LENGTH) fail('too_large');
      else send({ kind: 'text', text, atMs: monoMs() });
    } catch {
      fail('registry');
    } finally {
      clearTimeout(timeout);
      isRefreshing = false;
    }
  }

  function stopTimer(): void {
    if (timer !== null) clearInterval(timer);
    timer = null;
  }

  function tick(): void {
    if (monoMs() - scrapedAtMs > activeMs) stopTimer();
    else void refresh();
  }

  function onScraped(_message: ScrapedMessage): void {
    scrapedAtMs = monoMs();
    timer ??= setInterval(tick, refreshMs).unref();
    if (scrapedAtMs - refreshedAtMs >= refreshMs) void refresh();
  }

  return {
    attach(next) {
      port?.close();
      port = next;
      next.on('message', onScraped);
      next.unref();
      void refresh();
    },
    close() {
      stopTimer();
      port?.close();
      port = null;
    },
  };
}
