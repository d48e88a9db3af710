import type { HealthOptions, Logger } from '../config/options.js';
import { InferenceHealthError } from '../errors.js';
import { writeStderr } from '../stderr.js';
import { EXIT } from './exit-codes.js';
import { UsageError } from './flags.js';
import { createServeLog } from './serve-log.js';
import { outliveReaders, painter, usesColor } from './terminal.js';

const BIND_ERRORS = ['ERR_PORT_IN_USE', 'ERR_HOST_INVALID', 'ERR_PORT_FORBIDDEN'];

/** Starts a worker or a frontend and keeps the process alive. Returns an exit code only when it could not start. */
export async function runFleet(
  command: string,
  start: (logger: Logger, toStderr: boolean) => Promise<object>,
): Promise<number | undefined> {
  outliveReaders();
  const { stdout, stderr, env } = process;
  const logger = createServeLog(stderr.isTTY ? painter(usesColor(stderr, env)) : null);
  try {
    const fields = await start(logger, !stderr.isTTY);
    const { pid } = process;
    const line = { level: 'info', time: new Date().toISOString(), pid, ...fields, msg: 'serving' };
    stdout.write(`${JSON.stringify(line)}\n`);
    setInterval(() => undefined, 0x7fff_ffff);
    return undefined;
  } catch (error) {
    writeStderr(`inference-health ${command}: ${error instanceof Error ? error.message : String(error)}`);
    // What had started by then would keep the process alive.
    setImmediate(() => process.exit());
    return exitCodeOf(error);
  }
}

function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage;
  if (!(error instanceof InferenceHealthError)) return EXIT.failure;
  return BIND_ERRORS.includes(error.code) ? EXIT.cannotBind : EXIT.configuration;
}

/** Probes on any free loopback port, unless somebody says where: workers and frontends may share a machine. */
export function withFreeProbePort(options: HealthOptions, isConfigured: boolean): HealthOptions {
  if (isConfigured || options.port !== undefined || options.listeners !== undefined) return options;
  return { port: 0, host: '127.0.0.1', ...options };
}
