import type { ProbeServerOptions } from './server.js';

/** `onError` that cannot throw: a failing log must not end the probe thread. */
export function safeReport(onError: ProbeServerOptions['onError']): (error: unknown) => void {
  return (error) => {
    try {
      onError?.(error);
    } catch {
      // There is nobody left to tell.
    }
  };
}
