import type { MessagePort } from 'node:worker_threads';
import type { AppMetricsMessage, ScrapedMessage } from './app-messages.js';
import { parseExposition } from './exposition.js';
import type { AppErrorCounts, AppInput } from './families/self.js';
import { withoutClashes } from './merge.js';

/** As long as Prometheus itself takes a series for current; older values must not look alive. */
const MAX_AGE_MS = 300_000;

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
  let lastMalformed = '';

  function accept(text: string, receivedAtMs: number): void {
    const parsed = parseExposition(text);
    if (parsed.ok) {
      current = withoutClashes(parsed.families, NONE);
      atMs = receivedAtMs;
      return;
    }
    errors.malformed += 1;
    current = NOTHING;
    const message = `line ${parsed.line}: ${parsed.message}`;
    if (message !== lastMalformed) onMalformed(message);
    lastMalformed = message;
  }

  function onMessage(message: AppMetricsMessage): void {
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
      if (port === null) return { text: '', self: null };
      port.postMessage({ kind: 'scraped' } satisfies ScrapedMessage);
      const ageMs = Math.max(0, nowMs - atMs);
      const { text, clashes } = ageMs > MAX_AGE_MS ? NOTHING : current;
      return { text, self: { ageMs: Number.isFinite(ageMs) ? ageMs : null, clashes, errors } };
    },
  };
}

/** All our names have our prefix, which is taken as a whole. */
const NONE: ReadonlySet<string> = new Set();
const NOTHING = { text: '', clashes: 0 };
