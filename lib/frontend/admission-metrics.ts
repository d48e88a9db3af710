/** What a frontend counts of its admission. Tenants are named only as they are configured: a client can make up any number. */
import { Counter, Gauge, type Registry } from 'prom-client';
import { PREFIX } from '../metrics/family.js';
import type { Gate } from './gate.js';

export interface TenantMetrics {
  ended(tenant: string, outcome: string): void;
  tokens(tenant: string, tokens: number): void;
}

export type ReadGate = Pick<Gate, 'inFlightTokens' | 'limitTokens' | 'speed'>;

/** @param tenants that get a label of their own; null: no tenants are read */
export function createAdmissionMetrics(
  registry: Registry,
  gate: () => ReadGate,
  tenants: readonly string[] | null,
): TenantMetrics {
  const registers = [registry];
  const gauge = (name: string, help: string, read: (gate: ReadGate) => number): void => {
    new Gauge({
      name: PREFIX + name,
      help,
      registers,
      collect() {
        const value = read(gate());
        // No limit has no figure.
        if (Number.isFinite(value)) this.set(value);
        else this.remove();
      },
    });
  };
  gauge('admission_tokens_in_flight', 'Tokens of the requests that run.', (own) => own.inFlightTokens);
  gauge('admission_limit_tokens', 'Tokens that may run; absent: any.', (own) => own.limitTokens);
  gauge(
    'pool_tokens_per_second',
    'Tokens that the pool prefills and generates a second, as measured.',
    (own) => own.speed.tokensPerSecond,
  );
  gauge(
    'pool_prefill_tokens_per_second',
    'Tokens that the pool prefills a second, as measured.',
    (own) => own.speed.prefill.tokensPerSecond,
  );
  if (tenants === null) return { ended: () => undefined, tokens: () => undefined };
  const known = new Set(tenants);
  const labelOf = (tenant: string): string => (known.has(tenant) ? tenant : 'other');
  const requests = new Counter({
    name: `${PREFIX}tenant_requests_total`,
    help: 'Requests of a tenant that ended, by how.',
    labelNames: ['tenant', 'outcome'],
    registers,
  });
  const tokens = new Counter({
    name: `${PREFIX}tenant_tokens_total`,
    help: 'Tokens that workers have sent for a tenant.',
    labelNames: ['tenant'],
    registers,
  });
  return {
    ended: (tenant, outcome) => requests.inc({ tenant: labelOf(tenant), outcome }),
    tokens: (tenant, count) => tokens.inc({ tenant: labelOf(tenant) }, count),
  };
}
