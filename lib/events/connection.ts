/**
 * A connection to NATS that is made again for ever. The client's own reconnecting is off: it keeps what was published
 * meanwhile, gives up after two refusals of its password, and finds a dead server after minutes. See docs/events.md.
 */
import type { Logger } from '../config/options.js';
import { equalJitterMs } from '../fleet/backoff.js';
import { connectOptions } from './connect-options.js';
import { loadNats, type NatsConnection } from './load-nats.js';
import type { NatsSettings } from './settings.js';

export interface EventConnection {
  readonly isConnected: boolean;
  /** Connections after the first one. */
  readonly reconnects: number;
  readonly sent: number;
  readonly dropped: number;
  /** Never waits, keeps nothing: without a connection the message is dropped and counted. */
  publish(subject: string, text: string): void;
  /** Sends what is on its way, at most half a second, and ends. */
  close(): Promise<void>;
}

export interface ConnectionPorts {
  /** Shown by the server's monitoring. */
  readonly name: string;
  /** Of all of them, whenever there is a connection. */
  readonly subscription?: { readonly subject: string; message(subject: string, data: Uint8Array): void };
  readonly logger?: Logger | undefined;
}

const FIRST_WAIT_MS = 200;
const MAX_WAIT_MS = 5000;
/** One that lasts so long was a good one: the next wait is short again. */
const GOOD_MS = 10_000;
const FLUSH_MS = 500;

/** Resolves as soon as the client is loaded, whether a server is there or not. @throws InferenceHealthError ERR_CONFIG_INVALID */
export async function openEvents(settings: NatsSettings, ports: ConnectionPorts): Promise<EventConnection> {
  const { logger } = ports;
  const nats = await loadNats();
  const stopped = new AbortController();
  let present: NatsConnection | null = null;
  let connections = 0;
  let failures = 0;
  let said = '';
  let sent = 0;
  let dropped = 0;

  /** Once for each thing that is wrong, not once for each try. */
  function complain(error: unknown, message: string): void {
    const text = error instanceof Error ? error.message || error.name : String(error);
    if (said === text || stopped.signal.aborted) return;
    said = text;
    logger?.warn({ servers: settings.servers, error: text }, message);
  }

  function wait(): Promise<void> {
    if (stopped.signal.aborted) return Promise.resolve();
    const waitMs = equalJitterMs(FIRST_WAIT_MS, failures, MAX_WAIT_MS, Math.random());
    failures += 1;
    return new Promise((resolve) => {
      const timer = setTimeout(done, waitMs);
      function done(): void {
        clearTimeout(timer);
        stopped.signal.removeEventListener('abort', done);
        resolve();
      }
      stopped.signal.addEventListener('abort', done);
    });
  }

  async function watch(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === 'error') complain(status.error, 'NATS refuses something');
      // The server is about to go: another one, or its successor, takes us.
      if (status.type === 'ldm') void connection.close();
      if (status.type === 'staleConnection') complain('no answer to pings', 'NATS is silent');
    }
  }

  async function use(connection: NatsConnection): Promise<void> {
    const sinceMs = performance.now();
    connections += 1;
    said = '';
    logger?.info({ server: connection.getServer() }, 'connected to NATS');
    const { subscription } = ports;
    if (subscription !== undefined)
      connection.subscribe(subscription.subject, {
        callback: (error, message) => {
          if (error === null) subscription.message(message.subject, message.data);
          else complain(error, 'NATS refuses the subscription');
        },
      });
    watch(connection).catch(() => undefined);
    present = connection;
    const error = await connection.closed();
    present = null;
    if (performance.now() - sinceMs > GOOD_MS) failures = 0;
    complain(error ?? 'closed', 'connection to NATS lost');
  }

  async function run(): Promise<void> {
    while (!stopped.signal.aborted) {
      try {
        const connection = await nats.connect(connectOptions(nats, settings, ports.name));
        if (stopped.signal.aborted) await connection.close();
        else await use(connection);
      } catch (error) {
        complain(error, 'no connection to NATS: the workers’ HTTP beacons go on');
      }
      await wait();
    }
  }
  const ended = run();

  return {
    get isConnected() {
      return present !== null;
    },
    get reconnects() {
      return Math.max(0, connections - 1);
    },
    get sent() {
      return sent;
    },
    get dropped() {
      return dropped;
    },
    publish(subject, text) {
      if (present === null || present.isClosed()) {
        dropped += 1;
        return;
      }
      try {
        present.publish(subject, text);
        sent += 1;
      } catch {
        dropped += 1;
      }
    },
    async close() {
      stopped.abort();
      const connection = present;
      if (connection !== null) {
        const timeUp = new Promise((resolve) => setTimeout(resolve, FLUSH_MS).unref());
        await Promise.race([connection.flush().catch(() => undefined), timeUp]);
        await connection.close().catch(() => undefined);
      }
      await ended;
    },
  };
}
