import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Health, HealthOptions } from '../../lib/index.js';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** The built package, as users load it: worker entries exist only there. */
const built = createRequire(import.meta.url)(
  join(ROOT, 'dist/cjs/index.js'),
) as typeof import('../../lib/index.js');
export const { startHealth, attachHealth, InferenceHealthError } = built;

/** Base URL of a listener. */
export function baseUrl(health: Health, index = 0): string {
  const listener = health.listeners[index];
  if (listener?.kind !== 'tcp') throw new Error(`listener ${index} is not TCP`);
  const host = listener.host.includes(':') ? `[${listener.host}]` : listener.host;
  return `http://${host}:${listener.port}`;
}

/** Starts health on a free loopback port, hands it to `use`, and closes it whatever happens. */
export async function withHealth<T>(
  options: HealthOptions,
  use: (health: Health, base: string) => Promise<T>,
): Promise<T> {
  const listeners = options.listeners === undefined ? { port: 0, host: '127.0.0.1' } : {};
  const health = await startHealth({ ...listeners, ...options });
  try {
    return await use(health, health.listeners[0]?.kind === 'tcp' ? baseUrl(health) : '');
  } finally {
    await health.close();
  }
}

/** Polls until `condition` gives something true, at most `limitMs`. */
export async function until<T>(
  condition: () => T | Promise<T>,
  limitMs = 20_000,
): Promise<Exclude<T, false | null | undefined>> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const value = await condition();
    if (value) return value as Exclude<T, false | null | undefined>;
    if (Date.now() > deadline) throw new Error(`not so within ${limitMs} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
