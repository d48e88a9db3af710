import { dynamoServer } from '../config/dynamo-server.js';
import type { HealthOptions } from '../config/options.js';
import { resolveConfig } from '../config/resolve.js';
import { environmentName } from '../config/schema.js';
import type { DialectName } from '../dialects/index.js';
import { InferenceHealthError } from '../errors.js';
import type { HealthStatus } from '../lifecycle/emitter.js';
import type { Health } from '../lifecycle/health.js';
import { startWith } from '../lifecycle/start.js';
import { writeStderr } from '../stderr.js';
import { announcement } from './announce.js';
import { EXIT } from './exit-codes.js';
import { parseFlags, UsageError } from './flags.js';
import { createServeLog } from './serve-log.js';
import { outliveReaders, painter, usesColor } from './terminal.js';

/** Without a first sample nothing ends the start; the address is worth knowing all the same. */
const ANNOUNCE_AFTER_MS = 1000;
const NOTHING =
  'nothing to serve: DYN_SYSTEM_PORT or DYN_SYSTEM_ENABLED turns the server off; --port serves all the same';
const BIND_ERRORS = ['ERR_PORT_IN_USE', 'ERR_HOST_INVALID', 'ERR_PORT_FORBIDDEN'];

/** `inference-health serve`: this host's health until a signal arrives. Returns an exit code only when it could not start. */
export async function serve(args: readonly string[]): Promise<number | undefined> {
  outliveReaders();
  const { stdout, stderr, env } = process;
  const logger = createServeLog(stderr.isTTY ? painter(usesColor(stderr, env)) : null);
  let health: Health;
  let dialects: readonly DialectName[];
  try {
    const flags = parseFlags(args);
    const options = { ...withDefaultHost(flags, env), shutdown: flags.shutdown ?? true, logger };
    const { listeners } = resolveConfig(options, env);
    if (listeners.length === 0) throw new InferenceHealthError('ERR_CONFIG_INVALID', NOTHING);
    dialects = [...new Set(listeners.map(({ dialect }) => dialect))];
    health = await startWith(options, { logToStderr: !stderr.isTTY });
  } catch (error) {
    writeStderr(`inference-health serve: ${error instanceof Error ? error.message : String(error)}`);
    return exitCodeOf(error);
  }
  // The library does not keep a process alive; here serving is all that the process does.
  setInterval(() => undefined, 0x7fff_ffff);
  announceOnce(health, () =>
    stdout.write(announcement(health, dialects, stdout.isTTY ? painter(usesColor(stdout, env)) : null)),
  );
  return undefined;
}

/** Once the probe thread knows that the start is over: who reads the address and asks for readiness at once gets 200. */
function announceOnce(health: Health, announce: () => void): void {
  const onStatus = ({ phase }: HealthStatus): void => {
    if (phase !== 'starting') finish();
  };
  const finish = (): void => {
    health.off('status', onStatus);
    clearTimeout(fallback);
    announce();
  };
  const fallback = setTimeout(finish, ANNOUNCE_AFTER_MS);
  health.on('status', onStatus);
}

function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage;
  if (!(error instanceof InferenceHealthError)) return EXIT.failure;
  return BIND_ERRORS.includes(error.code) ? EXIT.cannotBind : EXIT.configuration;
}

/** A command line tool serves loopback unless told otherwise; Dynamo's variables tell, for a pod. */
function withDefaultHost(flags: HealthOptions, environment: NodeJS.ProcessEnv): HealthOptions {
  const isSet = (option: string): boolean => (environment[environmentName(option)] ?? '').trim() !== '';
  const dynamo = dynamoServer(environment);
  if (dynamo.isOn && flags.port === undefined && !isSet('port')) return flags;
  const hasList = flags.listeners !== undefined || (isSet('listeners') && flags.port === undefined);
  return hasList || flags.host !== undefined || isSet('host') ? flags : { ...flags, host: '127.0.0.1' };
}
