import { expect } from 'vitest';
import type { HealthOptions } from '../../lib/config/options.js';
import { resolveConfig } from '../../lib/config/resolve.js';

export type Environment = Record<string, string>;

export const problem = (environment: Environment, options: HealthOptions = {}): string => {
  try {
    resolveConfig(options, environment);
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID' });
    return (error as Error).message;
  }
  throw new Error('nothing was thrown');
};
export const listeners = (environment: Environment, options: HealthOptions = {}) =>
  resolveConfig(options, environment).listeners.map((listener) =>
    listener.kind === 'tcp'
      ? [listener.host, listener.port, listener.dialect]
      : [listener.path, listener.dialect],
  );
