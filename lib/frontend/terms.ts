/** What headers say of a request besides the request: how important it is, whose it is, and until when it is wanted. */
import type { IncomingHttpHeaders } from 'node:http';
import { DEFAULT_CLASSES } from '../fleet/admission/types.js';
import { timeoutMsOf } from '../wire/timeout-header.js';
import { BadRequest } from '../worker/request.js';
import type { FrontendAdmission } from './admission-options.js';

export interface RequestTerms {
  /** Name of its class. */
  readonly priority: string;
  /** '': none is named. */
  readonly tenant: string;
  /** Monotonic milliseconds by which the whole answer is wanted; Infinity: at any time. */
  readonly deadlineMs: number;
}

const GRPC_TIMEOUT = 'grpc-timeout';
/** Visible ASCII: it ends up in logs. */
const TENANT = /^[\x21-\x7e]{1,128}$/;
const GRPC_UNITS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** @returns reads the headers of a request that came at a time; it throws BadRequest that names the header */
export function createTermsReader({
  priorityHeader,
  tenantHeader,
  classes = DEFAULT_CLASSES,
}: FrontendAdmission): (headers: IncomingHttpHeaders, atMs: number) => RequestTerms {
  const names = classes.map(({ name }) => name);

  function priorityOf(headers: IncomingHttpHeaders): string {
    const value = priorityHeader === undefined ? undefined : headers[priorityHeader.toLowerCase()];
    if (value === undefined) return 'default';
    if (typeof value !== 'string' || !names.includes(value))
      throw new BadRequest(priorityHeader ?? '', names.join(' or '), value);
    return value;
  }

  function tenantOf(headers: IncomingHttpHeaders): string {
    const value = tenantHeader === undefined ? undefined : headers[tenantHeader.toLowerCase()];
    if (value === undefined) return '';
    if (typeof value !== 'string' || !TENANT.test(value))
      throw new BadRequest(tenantHeader ?? '', '1 to 128 visible ASCII characters', value);
    return value;
  }

  return (headers, atMs) => ({
    priority: priorityOf(headers),
    tenant: tenantOf(headers),
    deadlineMs: atMs + Math.min(timeoutMsOf(headers), grpcTimeoutMs(headers)),
  });
}

function grpcTimeoutMs(headers: IncomingHttpHeaders): number {
  const value = headers[GRPC_TIMEOUT];
  if (value === undefined) return Number.POSITIVE_INFINITY;
  const [, count = '0', unit = ''] = /^(\d{1,8})([HMSmun])$/.exec(String(value)) ?? [];
  const ms = Number(count) * (GRPC_UNITS[unit] ?? 0);
  if (ms <= 0) throw new BadRequest(GRPC_TIMEOUT, '1 to 8 digits and one of H M S m u n, as 30S', value);
  return ms;
}
