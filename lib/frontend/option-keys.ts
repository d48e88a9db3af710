/** What a frontend can be told, by name: a misspelt option would silently be the default. */
import { keysOf, rejectUnknown, requireObject } from '../config/keys.js';
import type { AdaptiveLimitOptions } from '../fleet/admission/adaptive-limit.js';
import type { CodelOptions } from '../fleet/admission/codel.js';
import type { Thresholds } from '../fleet/admission/thresholds.js';
import type { PriorityClass } from '../fleet/admission/types.js';
import type { MigrationLimits } from '../fleet/migrator-types.js';
import type { FrontendAdmission } from './admission-options.js';
import type { FrontendOptions } from './options.js';

const OPTIONS = keysOf<FrontendOptions>({
  workers: true,
  discovery: true,
  port: true,
  host: true,
  tls: true,
  apiToken: true,
  apiTokenFile: true,
  token: true,
  tokenFile: true,
  workerTls: true,
  events: true,
  beacons: true,
  migration: true,
  maxBodyBytes: true,
  healthMode: true,
  admission: true,
  thresholds: true,
  adminToken: true,
  paths: true,
  overloadStatus: true,
  health: true,
  logger: true,
});
const MIGRATION = keysOf<MigrationLimits>({
  migrationLimit: true,
  lifeLimit: true,
  maxSeqLen: true,
  backoffBaseMs: true,
  backoffCapMs: true,
  poisonTokens: true,
  poisonWorkers: true,
});
const THRESHOLDS = keysOf<Thresholds>({
  activeDecodeBlocks: true,
  activePrefillTokens: true,
  activePrefillTokensFraction: true,
});
const ADMISSION = keysOf<FrontendAdmission>({
  classes: true,
  maxConcurrent: true,
  maxTokens: true,
  maxQueueBytes: true,
  adaptive: true,
  codel: true,
  feasibility: true,
  firstTokenMs: true,
  priorityHeader: true,
  tenantHeader: true,
  tenants: true,
});
const ADAPTIVE = keysOf<AdaptiveLimitOptions>({
  targetMs: true,
  interTokenMs: true,
  minTokens: true,
  maxTokens: true,
  initialTokens: true,
  headroomTokens: true,
});
const CODEL = keysOf<CodelOptions>({ targetMs: true, intervalMs: true });
const CLASS = keysOf<PriorityClass>({
  name: true,
  reservedTokens: true,
  maxQueue: true,
  queueTimeoutMs: true,
  promoteAfterMs: true,
});

/**
 * Discovery, events, paths and certificates are looked at where they are read.
 * @throws InferenceHealthError ERR_CONFIG_INVALID
 */
export function rejectUnknownOptions(options: FrontendOptions): void {
  check('options', 'option', options, OPTIONS);
  const { migration, thresholds, admission } = options;
  checkSection('migration', migration, MIGRATION);
  checkSection('thresholds', thresholds, THRESHOLDS);
  checkSection('admission', admission, ADMISSION);
  checkSection('admission.adaptive', admission?.adaptive, ADAPTIVE);
  checkSection('admission.codel', admission?.codel, CODEL);
  if (Array.isArray(admission?.classes))
    for (const [index, each] of admission.classes.entries())
      checkSection(`admission.classes[${index}]`, each, CLASS);
}

function checkSection(name: string, value: unknown, known: readonly string[]): void {
  if (value !== undefined) check(`option ${name}`, `option ${name}`, value, known);
}

function check(where: string, what: string, value: unknown, known: readonly string[]): void {
  requireObject(where, value);
  rejectUnknown(what, value as object, known);
}
