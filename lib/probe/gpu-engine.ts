import type { GpuEvent } from '../gpu/policy.js';
import type { StatusEvent } from '../status/events.js';

const ENGINE = 'inference_engine';

/**
 * What the status of the engine proves about its GPU work: one that is ready again after it had failed, was loading or was
 * dead has a context of its own that is new; one that stalls makes an XID of that time its own; a test request that got its
 * tokens is work that a broken context could not have done.
 */
export function createEngineEvidence(): (event: StatusEvent, nowMs: number) => GpuEvent | null {
  let wasDown = false;
  let wasDead = false;
  /** When the last test request that counted had ended, by endpoint. */
  const testedAtMs = new Map<string, number>();

  return (event, nowMs) => {
    if (event.type === 'component' && event.name === ENGINE) {
      const isUp = event.status === 'healthy';
      const isBack = isUp && wasDown;
      wasDown = !isUp;
      return isBack ? { type: 'engine-recovered', atMs: event.atMs } : null;
    }
    if (event.type === 'canary') {
      const last = event.report?.history.at(-1);
      if (last === undefined || last.outcome !== 'ok') return null;
      const { atMs, durationMs } = last;
      if (atMs <= (testedAtMs.get(event.name) ?? Number.NEGATIVE_INFINITY)) return null;
      testedAtMs.set(event.name, atMs);
      return { type: 'engine-success', atMs, beganAtMs: atMs - durationMs };
    }
    if (event.type !== 'engine') return null;
    const { finding } = event;
    const isReplaced = wasDead && finding === null;
    wasDead = finding?.kind === 'dead';
    if (isReplaced) return { type: 'engine-recovered', atMs: nowMs };
    return finding?.kind === 'stalled' ? { type: 'progress-lost', atMs: finding.sinceMs } : null;
  };
}
