import type { FakeGpu } from './fake/fake-gpu.js';

/** A stop waits 1 s for the threads and 1 s for the one that publishes; the rest is a busy machine. */
const ENDS_WITHIN_MS = 20_000;

/** Where the driver is asked. A helper process must be as little of a hindrance as a thread, and as good a witness. */
export const ISOLATIONS = ['thread', 'process'] as const;
export type Isolation = (typeof ISOLATIONS)[number];

/** Options of `startHealth` with the fake driver and kernel log, as source. */
export const gpuOptions = (fake: FakeGpu, isolation: Isolation): string =>
  `gpu: ${JSON.stringify({ library: fake.library, kmsg: fake.kmsg.path, isolation })}`;

/** Source of a server that says its port and runs until it is ended. */
export const server = (fake: FakeGpu, isolation: Isolation, shutdown = true): string => `
  const health = await startHealth({ port: 0, host: '127.0.0.1', startupGraceMs: 0, shutdown: ${shutdown}, ${gpuOptions(fake, isolation)} });
  setInterval(() => {}, 1000);
  say(health.listeners[0].port);
`;

/** A result, and whether it came soon enough. */
export async function inTime<T>(result: Promise<T>): Promise<[T, boolean]> {
  const startMs = performance.now();
  const value = await result;
  return [value, performance.now() - startMs < ENDS_WITHIN_MS];
}
