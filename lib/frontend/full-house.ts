/** Refuses before a request is read, where nobody would be served: what little it then costs is what overload is made of. */
import type { ServerResponse } from 'node:http';
import { monoMs } from '../native/clock.js';
import type { Refusals } from './refusals.js';
import type { RequestPorts, Requests } from './request-types.js';

export function createFullHouse(
  { pool, gate, metrics, options }: RequestPorts,
  refusals: Refusals,
): Requests['refuseIfFull'] {
  /** Seconds after which to come back; null: somebody may have a place. */
  function fullFor(priority: string): number | null {
    const models = pool.models();
    // Without workers a request is told that, not that there are too many.
    if (models.length === 0) return null;
    let seconds = Number.POSITIVE_INFINITY;
    for (const model of models) if (!gate.isFull(model, priority)) return null;
    for (const model of models) seconds = Math.min(seconds, gate.retryAfterSeconds(model));
    return seconds;
  }

  function count(tenant: string, readMs: number): void {
    metrics.ended('rejected', (monoMs() - readMs) / 1000);
    metrics.tenant.ended(tenant, 'rejected');
    options.health?.requests.begin().fail();
  }

  return (id, { priority, tenant, deadlineMs, readMs }, response: ServerResponse) => {
    // Its own time is up: that is another answer.
    if (deadlineMs <= readMs) return false;
    const seconds = fullFor(priority);
    if (seconds === null) return false;
    const reason = 'queue_full';
    const error = refusals.overloaded(reason, seconds);
    refusals.refuse(response, reason, error, seconds, readMs, { 'X-Request-Id': id });
    // What is counted of it can wait until it has been sent.
    process.nextTick(count, tenant, readMs);
    return true;
  };
}
