import type { BoundListener } from './server.js';

/** Where a listener listens, for people: `http://[::]:8081`, `unix:/run/health.sock`. */
export function urlOf(listener: BoundListener): string {
  if (listener.kind === 'unix') return `unix:${listener.path}`;
  const host = listener.host.includes(':') ? `[${listener.host}]` : listener.host;
  return `http://${host}:${listener.port}`;
}
