import type { DialectName } from '../dialects/index.js';
import type { Health } from '../lifecycle/health.js';
import { urlOf } from '../probe/listener-url.js';
import type { BoundListener } from '../probe/server.js';
import type { Paint } from './terminal.js';

type Row = readonly [path: string, meaning: string];

const DIALECT_ROUTES: Readonly<Record<DialectName, Row>> = {
  bitnet: ['/health', 'status, components, metrics, host, cgroup (JSON)'],
  'dynamo-frontend': [
    '/health /live',
    "as Dynamo's frontends: the endpoints and instances that a frontend sees",
  ],
  'dynamo-worker': ['/health /live /ready', "as Dynamo's workers: 503 until the endpoints are ready"],
};

const SHARED_ROUTES: readonly Row[] = [
  ['/health/live', 'liveness: 503 for the first seconds, then 200'],
  ['/health/ready', 'readiness'],
  ['/livez /readyz /startupz', 'for Kubernetes; ?verbose lists the components'],
  ['/metrics', 'Prometheus'],
];

function tryLine(listener: BoundListener | undefined): string {
  if (listener === undefined) return '';
  if (listener.kind === 'unix') return `curl -s --unix-socket ${listener.path} http://localhost/health`;
  const isWildcard = listener.host === '::' || listener.host === '0.0.0.0';
  return `curl -s ${isWildcard ? `http://localhost:${listener.port}` : urlOf(listener)}/health`;
}

/** What `serve` prints on standard output, once: a page for people on a terminal (`paint` given), one JSON line elsewhere. */
export function announcement(health: Health, dialects: readonly DialectName[], paint: Paint | null): string {
  const { listeners, httpEngine, native } = health;
  if (paint === null) {
    const urls = listeners.map(urlOf);
    const { pid } = process;
    const time = new Date().toISOString();
    return `${JSON.stringify({ level: 'info', time, pid, urls, httpEngine, native, msg: 'serving' })}\n`;
  }
  const rows = [...dialects.map((dialect) => DIALECT_ROUTES[dialect]), ...SHARED_ROUTES];
  const width = Math.max(...rows.map(([path]) => path.length));
  const lines = [
    '',
    `  ${paint('bold', 'inference-health')} answers on ${listeners.map((listener) => paint('green', urlOf(listener))).join(', ')}`,
    '',
    ...rows.map(([path, meaning]) => `  ${paint('cyan', path.padEnd(width))}  ${meaning}`),
    '',
    `  ${paint('dim', 'try')}   ${tryLine(listeners[0])}`,
    `  ${paint('dim', 'stop')}  Ctrl-C`,
    '',
  ];
  return `${lines.join('\n')}\n`;
}
