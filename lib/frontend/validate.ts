import { requireToken } from '../config/admin.js';
import { checkHost } from '../config/host.js';
import { rejectUnknown, requireObject } from '../config/keys.js';
import type { Kind } from '../config/spec.js';
import { checkValue, invalid } from '../config/values.js';
import { FRONTEND_HEALTH_MODES } from '../dialects/dynamo-frontend.js';
import { NO_THRESHOLDS } from '../fleet/admission/thresholds.js';
import type { MigrationLimits } from '../fleet/migrator-types.js';
import { validateAdmission } from './admission-options.js';
import { rejectUnknownOptions } from './option-keys.js';
import type { FrontendOptions } from './options.js';
import { BUSY_THRESHOLD, FRONTEND_PATHS, type FrontendPaths } from './paths.js';
import { normalWorkerUrl, parseWorkerUrl, workerUrlFault } from './worker-url.js';

const COUNT = { type: 'number', min: 0, max: Number.MAX_SAFE_INTEGER } as const;
const WHOLE = { type: 'integer', min: 0, max: Number.MAX_SAFE_INTEGER } as const;
const MIGRATION = {
  migrationLimit: WHOLE,
  lifeLimit: WHOLE,
  maxSeqLen: WHOLE,
  backoffBaseMs: COUNT,
  backoffCapMs: COUNT,
  poisonTokens: WHOLE,
  // Where none need be lost, every request would be to blame.
  poisonWorkers: { ...WHOLE, min: 1 },
} satisfies Record<keyof MigrationLimits, Kind>;
const NULLABLE = ['maxSeqLen', ...Object.keys(NO_THRESHOLDS)];

/** @throws InferenceHealthError ERR_CONFIG_INVALID */
export function validateFrontend(options: FrontendOptions): void {
  rejectUnknownOptions(options);
  const { workers = [], overloadStatus = 503, admission = {}, beacons = 'both' } = options;
  const { adminToken, paths, discovery, healthMode, maxBodyBytes, migration = {}, thresholds = {} } = options;
  if (beacons !== 'both' && beacons !== 'nats') throw invalid('beacons', "'both' or 'nats'", beacons);
  const urls = 'a list of URLs as http://host:port or https://host:port';
  if (!Array.isArray(workers)) throw invalid('workers', urls, workers);
  if (discovery === false && workers.length === 0)
    throw invalid('workers', `${urls}, at least one where discovery is off`, workers);
  const engines = new Set<string>();
  checkWorkerUrls('workers', workers);
  for (const url of workers) engines.add(parseWorkerUrl(url)?.engine ?? '');
  // What is lost at one could not go on at the other: they do not speak of tokens in the same way.
  if (engines.size > 1) throw invalid('workers', 'workers of one kind', workers);
  if (new Set(workers.map(normalWorkerUrl)).size < workers.length)
    throw invalid('workers', 'each URL once, however it is written', workers);
  if (!Number.isInteger(overloadStatus) || overloadStatus < 400 || overloadStatus > 599)
    throw invalid('overloadStatus', 'an HTTP status from 400 to 599', overloadStatus);
  checkHost('host', options.host);
  if (healthMode !== undefined)
    checkValue('healthMode', { type: 'choice', values: FRONTEND_HEALTH_MODES }, healthMode);
  if (maxBodyBytes !== undefined) checkValue('maxBodyBytes', { ...COUNT, min: 1 }, maxBodyBytes);
  checkNumbers('migration', migration, (name) => MIGRATION[name as keyof MigrationLimits]);
  checkNumbers('thresholds', thresholds, () => COUNT);
  validateAdmission(admission);
  if (adminToken !== undefined) requireToken('adminToken', adminToken);
  if (paths !== undefined) validatePaths(paths);
}

/** Each for itself. @throws InferenceHealthError ERR_CONFIG_INVALID */
export function checkWorkerUrls(where: string, urls: readonly unknown[]): void {
  for (const url of urls) {
    const fault = workerUrlFault(url);
    if (fault !== null) throw invalid(where, fault, url);
  }
}

/** Null where a limit may be none. */
function checkNumbers(where: string, values: object, kindOf: (name: string) => Kind): void {
  for (const [name, value] of Object.entries(values))
    if (value !== undefined && !(value === null && NULLABLE.includes(name)))
      checkValue(`${where}.${name}`, kindOf(name), value);
}

function validatePaths(paths: Partial<FrontendPaths>): void {
  requireObject('option paths', paths);
  rejectUnknown('key of paths', paths, Object.keys(FRONTEND_PATHS));
  const all = { ...FRONTEND_PATHS, ...paths };
  for (const [name, path] of Object.entries(all))
    if (!/^\/[\x21-\x7e]*$/.test(path) || /[?#]/.test(path))
      throw invalid(`paths.${name}`, 'a path that begins with a slash', path);
  if (new Set([...Object.values(all), BUSY_THRESHOLD]).size <= Object.keys(all).length)
    throw invalid('paths', `each path once, and none ${BUSY_THRESHOLD}`, Object.values(all));
}
