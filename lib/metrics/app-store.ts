import type { MessagePort } from 'node:worker_threads';
import type { AppMetricsMessage, ScrapedMessage } from './app-messages.js';
import type { AppErrorCounts, AppInput } from './families/self.js';
import { type MergeResult, merge } from './merge.js';

/** As long as Prometheus itself takes a series for current; older values must not look alive. */
const MAX_AGE_MS = 300_000;
const NOTHING: MergeResult = { text: '', clashes: 0, malformed: null };

/** Agent thread's half of merging the application's metrics: keeps the last good text, parsed once. */
export interface AppStore {
  attach(port: MessagePort): void;
  /** Tells the main thread that someone scrapes, and returns what it sent last. Waits for nothing. */
  take(nowMs: number): { readonly text: string; readonly self: AppInput | null };
  readonly errors: AppErrorCounts;
}

export interface AppStoreOptions {
  /** Errors that an agent thread before this one counted. */
  readonly errors: AppErrorCounts;
  /** Told once for each new reason why a text was refused. */
  readonly onMalformed: (message: string) => void;
}

export function createAppStore({ errors, onMalformed }: AppStoreOptions): AppStore {
  let port: MessagePort | null = null;
  let current = NOTHING;
  let atMs = Number.NEGATIVE_INFINITY;
  let hasRegistry = false;
  let lastMalformed = '';

  function accept(text: string, receivedAtMs: number): void {
    // Once a refresh and not once a scrape: all our names have our prefix, which `merge` takes for taken as a whole.
    current = merge('', text);
    const message = current.malformed;
    if (message === null) {
      atMs = receivedAtMs;
      return;
    }
    errors.malformed += 1;
    if (message !== lastMalformed) onMalformed(message);
    lastMalformed = message;
  }

  function onMessage(message: AppMetricsMessage): void {
    hasRegistry = true;
    if (message.kind === 'text') accept(message.text, message.atMs);
    else errors[message.reason] += 1;
  }

  return {
    errors,
    attach(next) {
      port?.close();
      port = next;
      next.on('message', onMessage);
      next.unref();
    },
    take(nowMs) {
      port?.postMessage({ kind: 'scraped' } satisfies ScrapedMessage);
      // An application without a registry closes the port and never says a word.
      if (!hasRegistry) return { text: '', self: null };
      const ageMs = Math.max(0, nowMs - atMs);
      const { text, clashes } = ageMs > MAX_AGE_MS ? NOTHING : current;
      return { text, self: { ageMs: Number.isFinite(ageMs) ? ageMs : null, clashes, errors } };
    },
  };
}
