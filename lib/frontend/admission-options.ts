/** What a frontend's admission can be told, checked, and what follows from a time to first token. */

import { checkValue, invalid } from '../config/values.js';
import { DEFAULT_CLASSES, type PoolAdmissionOptions, type PriorityClass } from '../fleet/admission/types.js';

export interface FrontendAdmission
  extends Pick<
    PoolAdmissionOptions,
    'classes' | 'maxConcurrent' | 'maxTokens' | 'maxQueueBytes' | 'adaptive' | 'codel' | 'feasibility'
  > {
  /**
   * Time to first token that is to be kept, milliseconds. Turns on the adaptive limit, CoDel and feasibility, with targets
   * that follow from it; whoever has not been sent to a worker by then is refused. Default: none.
   */
  readonly firstTokenMs?: number;
  /**
   * Header with the name of a priority class. Default: none is read, since clients may claim what they like; name one that
   * your gateway sets.
   */
  readonly priorityHeader?: string;
  /** Header with the tenant, between whom the queue is fair. Default: none is read, for the same reason. */
  readonly tenantHeader?: string;
  /** Tenants that metrics name; all others count as `other`. */
  readonly tenants?: readonly string[];
}

/** Of a time to first token; 50 ms and 100 ms of 2 s, the shares that docs/fleet/admission.md has the figures for. */
const WAIT_SHARE = 0.025;
const CODEL_SHARE = 0.05;
const NAME = /^[\w.-]{1,64}$/;
const HEADER = /^[A-Za-z][\w-]{0,63}$/;
const MAX_TENANTS = 1000;
const DAY_MS = 86_400_000;

export function poolAdmission(options: FrontendAdmission): PoolAdmissionOptions {
  const { firstTokenMs, priorityHeader, tenantHeader, tenants, ...given } = options;
  if (firstTokenMs === undefined) return given;
  return {
    feasibility: true,
    ...given,
    adaptive: { targetMs: Math.max(1, WAIT_SHARE * firstTokenMs), ...given.adaptive },
    codel: { targetMs: Math.max(1, CODEL_SHARE * firstTokenMs), intervalMs: firstTokenMs, ...given.codel },
  };
}

/** @throws InferenceHealthError ERR_CONFIG_INVALID */
export function validateAdmission(options: FrontendAdmission): void {
  const number = (name: string, value: unknown, min: number, max: number): void => {
    if (value !== undefined && value !== Number.POSITIVE_INFINITY)
      checkValue(`admission.${name}`, { type: 'number', min, max }, value);
  };
  number('maxConcurrent', options.maxConcurrent, 1, Number.MAX_SAFE_INTEGER);
  number('maxTokens', options.maxTokens, 1, Number.MAX_SAFE_INTEGER);
  number('maxQueueBytes', options.maxQueueBytes, 0, Number.MAX_SAFE_INTEGER);
  if (options.firstTokenMs !== undefined)
    checkValue('admission.firstTokenMs', { type: 'number', min: 1, max: DAY_MS }, options.firstTokenMs);
  if (options.feasibility !== undefined)
    checkValue('admission.feasibility', { type: 'boolean' }, options.feasibility);
  for (const [name, value] of Object.entries(options.adaptive ?? {}))
    number(`adaptive.${name}`, value, 1, 1e12);
  for (const [name, value] of Object.entries(options.codel ?? {})) number(`codel.${name}`, value, 1, DAY_MS);
  for (const name of ['priorityHeader', 'tenantHeader'] as const) {
    const value = options[name];
    if (value !== undefined) checkHeaderName(`admission.${name}`, value);
  }
  const { tenants = [], classes = DEFAULT_CLASSES } = options;
  if (
    !Array.isArray(tenants) ||
    tenants.length > MAX_TENANTS ||
    !tenants.every((each) => typeof each === 'string')
  )
    throw invalid('admission.tenants', `an array of up to ${MAX_TENANTS} names`, tenants);
  validateClasses(classes);
}

/** @throws InferenceHealthError ERR_CONFIG_INVALID */
export function checkHeaderName(where: string, value: string): void {
  if (!HEADER.test(value)) throw invalid(where, 'the name of a header', value);
}

function validateClasses(classes: readonly PriorityClass[]): void {
  if (!Array.isArray(classes) || classes.length === 0 || classes.length > 16)
    throw invalid('admission.classes', 'an array of 1 to 16 classes, the first to be served first', classes);
  const names = new Set<string>();
  for (const [index, each] of classes.entries()) {
    const where = `admission.classes[${index}]`;
    if (typeof each !== 'object' || each === null || !NAME.test(each.name) || names.has(each.name))
      throw invalid(`${where}.name`, 'another name for each class, 1 to 64 of A-Z a-z 0-9 _ . -', each?.name);
    names.add(each.name);
    for (const key of ['reservedTokens', 'maxQueue', 'queueTimeoutMs', 'promoteAfterMs'] as const) {
      const value = each[key];
      if (value !== Number.POSITIVE_INFINITY)
        checkValue(`${where}.${key}`, { type: 'number', min: 0, max: Number.MAX_SAFE_INTEGER }, value);
    }
  }
}
