/** Which limits stand in front of a simulated frontend, and who comes to it. */
import { DEFAULT_CLASSES, type PoolAdmissionOptions } from '../../lib/fleet/admission/admission.js';
import type { Thresholds } from '../../lib/fleet/admission/thresholds.js';
import type { Prng } from './prng.js';

export interface AdmissionSpec {
  readonly options: PoolAdmissionOptions;
  readonly thresholds: Partial<Thresholds>;
}

/** Whose a request is, and what it is told to be. */
export interface Standing {
  readonly tenant: string;
  readonly priority: string;
  /** After its arrival the first token is wanted by then; null: at any time. */
  readonly firstTokenMs: number | null;
}

export const NOBODY: Standing = { tenant: '', priority: 'default', firstTokenMs: null };
/** Nothing but the bounded queue, which is what is on by default. */
export const QUEUE_ONLY: AdmissionSpec = { options: {}, thresholds: {} };

/** Of limits and thresholds each seed has some, since one that always acts hides the others. */
export function makeAdmission(random: Prng): AdmissionSpec {
  const some = <T>(make: () => T): T | undefined => (random.chance(0.4) ? make() : undefined);
  const maxConcurrent = some(() => random.int(3, 24));
  const adaptive = some(() => ({
    initialTokens: random.int(500, 6000),
    minTokens: 256,
    headroomTokens: 256,
    targetMs: random.between(20, 200),
  }));
  const codel = some(() => ({ targetMs: random.between(20, 200), intervalMs: random.between(200, 1000) }));
  const maxQueueBytes = some(() => random.int(500, 8000));
  const classes = some(() =>
    DEFAULT_CLASSES.map((each, level) => ({
      ...each,
      maxQueue: random.int(1, 16),
      queueTimeoutMs: random.between(200, 3000),
      promoteAfterMs: random.between(100, 1000),
      reservedTokens: level === 0 ? random.int(0, 300) : 0,
    })),
  );
  const activeDecodeBlocks = some(() => random.between(0.2, 0.9));
  const activePrefillTokens = some(() => random.int(50, 500));
  return {
    options: {
      ...(maxConcurrent === undefined ? {} : { maxConcurrent }),
      ...(adaptive === undefined ? {} : { adaptive }),
      ...(codel === undefined ? {} : { codel }),
      ...(maxQueueBytes === undefined ? {} : { maxQueueBytes }),
      ...(classes === undefined ? {} : { classes }),
      feasibility: random.chance(0.4),
    },
    thresholds: {
      ...(activeDecodeBlocks === undefined ? {} : { activeDecodeBlocks }),
      ...(activePrefillTokens === undefined ? {} : { activePrefillTokens }),
    },
  };
}

/** One tenant asks for most of it; in every other seed all requests are of one class. */
export function makeStandings(random: Prng): () => Standing {
  const tenants = random.int(1, 3);
  const hasClasses = random.chance(0.5);
  const inTime = random.chance(0.5) ? 0.5 : 0;
  return () => ({
    tenant: `t${random.chance(0.7) ? 0 : random.int(0, tenants - 1)}`,
    priority: hasClasses ? random.pick(DEFAULT_CLASSES).name : 'default',
    firstTokenMs: random.chance(inTime) ? random.between(100, 3000) : null,
  });
}
