import { textOf } from '../config/dynamo-names.js';
import type { Environment } from '../config/environment.js';
import type { HealthOptions } from '../config/options.js';
import { environmentName } from '../config/schema.js';
import { invalid, parseValue } from '../config/values.js';
import type { FrontendPaths } from '../frontend/paths.js';

const PATHS: Readonly<Record<keyof FrontendPaths, string>> = {
  health: 'DYN_HTTP_SVC_HEALTH_PATH',
  live: 'DYN_HTTP_SVC_LIVE_PATH',
  metrics: 'DYN_HTTP_SVC_METRICS_PATH',
  models: 'DYN_HTTP_SVC_MODELS_PATH',
  chat: 'DYN_HTTP_SVC_CHAT_PATH',
  completions: 'DYN_HTTP_SVC_CMP_PATH',
};
const NO_ADMIN = 'DYN_DISABLE_FRONTEND_ADMIN_API';
const GRACE = 'DYN_HTTP_GRACEFUL_SHUTDOWN_TIMEOUT_SECS';
const DAY_SECONDS = 86_400;

/** Paths of the API that variables name. @throws InferenceHealthError ERR_CONFIG_INVALID */
export function pathVariables(environment: Environment): Partial<FrontendPaths> {
  const paths: Record<string, string> = {};
  for (const [name, variable] of Object.entries(PATHS)) {
    const path = textOf(environment, variable);
    if (path === null) continue;
    if (!path.startsWith('/')) throw invalid(variable, 'a path that begins with a slash', path);
    paths[name] = path;
  }
  return paths;
}

/** Whether `/busy_threshold` is wanted at all. @throws InferenceHealthError ERR_CONFIG_INVALID */
export function isAdminDisabled(environment: Environment): boolean {
  const text = textOf(environment, NO_ADMIN);
  return text !== null && parseValue(NO_ADMIN, { type: 'boolean' }, text) === true;
}

/** Dynamo's name for how long a drain may take; our own comes first. @throws InferenceHealthError ERR_CONFIG_INVALID */
export function withGracePeriod(options: HealthOptions, environment: Environment): HealthOptions {
  const text = textOf(environment, GRACE);
  const own = environment[environmentName('shutdown.gracePeriodMs')]?.trim() ?? '';
  const { shutdown = true } = options;
  const isGiven = typeof shutdown === 'object' && shutdown.gracePeriodMs !== undefined;
  if (text === null || own !== '' || isGiven || shutdown === false) return { ...options, shutdown };
  const seconds = parseValue(GRACE, { type: 'number', min: 0, max: DAY_SECONDS }, text) as number;
  return {
    ...options,
    shutdown: { ...(shutdown === true ? {} : shutdown), gracePeriodMs: Math.max(1, seconds * 1000) },
  };
}
