import { join } from 'node:path';
import { DYNAMO_NAMES, textOf } from '../config/dynamo-names.js';
import type { HealthOptions, Logger } from '../config/options.js';
import { environmentName } from '../config/schema.js';
import { discoverySettings } from '../discovery/settings.js';
import { natsSettings } from '../events/settings.js';
import { startFrontend } from '../frontend/frontend.js';
import { startFrontendProcesses } from '../frontend/processes/primary.js';
import { validateFrontend } from '../frontend/validate.js';
import { startWith } from '../lifecycle/start.js';
import { urlOf } from '../probe/listener-url.js';
import { isListenerConfigured } from '../worker/probe-port.js';
import { parseFleetFlags } from './fleet-flags.js';
import { runFleet, withFreeProbePort } from './fleet-run.js';
import { FRONTEND_FLAGS } from './frontend-flags.js';
import { commandOptions, processesOf, shareOf } from './frontend-options.js';
import { withGracePeriod } from './frontend-variables.js';

/** Of each of several processes. */
const ENTRY = join(__dirname, 'frontend-process.js');

export { frontendHelp } from './frontend-flags.js';

/** `inference-health frontend`: until a signal arrives. */
export function frontend(args: readonly string[]): Promise<number | undefined> {
  return runFleet('frontend', async (logger, logToStderr) => {
    const { values, health: flags } = parseFleetFlags(args, FRONTEND_FLAGS, process.env);
    const options = commandOptions(values, flags, process.env);
    const processes = processesOf(values);
    shareOf(options, processes);
    validateFrontend(options);
    // Said here: of several processes each would say it, and end.
    natsSettings(options.events, process.env);
    discoverySettings(options.discovery || {}, process.env);
    dropWorkerVariables(logger);
    const health = await startWith(
      {
        ...withFreeProbePort(withGracePeriod(withDialect(flags), process.env), isListenerConfigured()),
        logger,
      },
      { logToStderr },
    );
    const api =
      processes === 1
        ? await startFrontend({ ...options, health, logger })
        : await startFrontendProcesses({ ...options, processes, entry: ENTRY, args, health, logger });
    health.onShutdown('frontend', () => api.close());
    return { url: api.url, probes: health.listeners.map(urlOf), workers: options.workers };
  });
}

/** Dynamo's frontends have no status server: a variable meant for workers must not make this one of them. */
function dropWorkerVariables(logger: Logger): void {
  const isSet = (name: string): boolean => textOf(process.env, name) !== null;
  for (const name of DYNAMO_NAMES.filter((each) => each.startsWith('DYN_SYSTEM_') && isSet(each))) {
    logger.warn({ variable: name }, 'only workers use it: ignored by a frontend');
    delete process.env[name];
  }
}

/** `/health` and `/live` as the documents have them for frontends, unless another dialect is asked for. */
function withDialect(options: HealthOptions): HealthOptions {
  const isGiven =
    options.dialect !== undefined || (process.env[environmentName('dialect')] ?? '').trim() !== '';
  return isGiven ? options : { ...options, dialect: 'dynamo-frontend' };
}
