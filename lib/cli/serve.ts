import type { HealthOptions } from '../config/options.js';
import { environmentName } from '../config/schema.js';
import { InferenceHealthError } from '../errors.js';
import type { Health } from '../lifecycle/health.js';
import { startWith } from '../lifecycle/start.js';
import type { BoundListener } from '../probe/server.js';
import { parseFlags, UsageError } from './flags.js';
import { createServeLog } from './serve-log.js';

/** sysexits(3). */
const EXIT_USAGE = 64;
const EXIT_UNAVAILABLE = 69;
const EXIT_CONFIG = 78;
const BIND_ERRORS = ['ERR_PORT_IN_USE', 'ERR_HOST_INVALID', 'ERR_PORT_FORBIDDEN'];

/** `inference-health serve`: this host's health until a signal arrives. Returns an exit code only when it could not start. */
export async function serve(args: readonly string[]): Promise<number | undefined> {
  const isTerminal = process.stderr.isTTY === true;
  const logger = createServeLog(isTerminal);
  try {
    const flags = parseFlags(args);
    const health = await startWith(
      { ...withDefaultHost(flags), shutdown: flags.shutdown ?? true, logger },
      { logToStderr: !isTerminal },
    );
    announce(health);
    // The library does not keep a process alive; here serving is all that the process does.
    const keepAlive = setInterval(() => undefined, 0x7fff_ffff);
    health.on('status', ({ phase, ready, reasons }) =>
      logger.info({ phase, ready, reasons: reasons.map(({ code }) => code) }, ready ? 'ready' : 'not ready'),
    );
    process.once('exit', () => clearInterval(keepAlive));
    return undefined;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`inference-health serve: ${message}\n`);
    if (error instanceof UsageError) return EXIT_USAGE;
    if (!(error instanceof InferenceHealthError)) return 1;
    return BIND_ERRORS.includes(error.code) ? EXIT_UNAVAILABLE : EXIT_CONFIG;
  }
}

/** A command line tool serves loopback unless told otherwise. */
function withDefaultHost(flags: HealthOptions): HealthOptions {
  const told = flags.host !== undefined || flags.listeners !== undefined || set('host') || set('listeners');
  return told ? flags : { ...flags, host: '127.0.0.1' };
}

function set(option: string): boolean {
  return (process.env[environmentName(option)] ?? '').trim() !== '';
}

function announce(health: Health): void {
  const where = health.listeners.map(address);
  const first = where[0] ?? '';
  const lines = [
    `inference-health serves this host's health`,
    ...where.map((base) => `  ${base}`),
    `  GET /health          status, components, metrics, host (JSON)`,
    `  GET /health/live     liveness: 503 for the first seconds, then 200`,
    `  GET /health/ready    readiness`,
    `  GET /livez /readyz /startupz   add ?verbose for one line per check`,
    `  GET /metrics         Prometheus`,
    `  HTTP engine ${health.httpEngine}, host data ${health.native ? 'native' : 'JavaScript fallback'}; stop with Ctrl-C`,
    ...(first.startsWith('http') ? [`  try: curl -s ${first}/health`] : []),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

function address(listener: BoundListener): string {
  if (listener.kind === 'unix') return `unix:${listener.path}`;
  const host = listener.host.includes(':') ? `[${listener.host}]` : listener.host;
  return `http://${host}:${listener.port}`;
}
