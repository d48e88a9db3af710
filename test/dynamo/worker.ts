import type { Health, HealthOptions } from '../../lib/index.js';
import { baseUrl, startHealth } from '../helpers/package.js';

export const HTTP_ENGINES = ['uws', 'http'] as const;

/** Starts health with these variables of Dynamo's, hands it to `use` and closes it; the environment is as before afterwards. */
export async function withWorker<T>(
  environment: Readonly<Record<string, string>>,
  options: HealthOptions,
  use: (health: Health, base: string) => Promise<T>,
): Promise<T> {
  const before = { ...process.env };
  let health: Health;
  try {
    Object.assign(process.env, { DYN_SYSTEM_PORT: '0', DYN_SYSTEM_HOST: '127.0.0.1', ...environment });
    // The variables are read before this returns its promise.
    const starting = startHealth(options);
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
    Object.assign(process.env, before);
    health = await starting;
  } finally {
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
  }
  try {
    return await use(health, health.listeners.length === 0 ? '' : baseUrl(health));
  } finally {
    await health.close();
  }
}

export interface Answer {
  readonly status: number;
  readonly type: string | null;
  readonly length: number;
  readonly text: string;
  readonly headers: Headers;
}

export async function ask(url: string, init?: RequestInit): Promise<Answer> {
  const response = await fetch(url, init);
  const text = await response.text();
  const { status, headers } = response;
  return {
    status,
    type: headers.get('content-type'),
    length: Number(headers.get('content-length')),
    text,
    headers,
  };
}
