import type { State } from '../status/types.js';
import type { Verdict } from '../status/verdict.js';

/** Everything about a verdict that a person would call a change; ages and percentages are not. */
export function signature(verdict: Verdict): string {
  const parts = [
    verdict.phase,
    verdict.health,
    verdict.live,
    verdict.liveAfterGrace,
    verdict.ready,
    verdict.workerReady,
    verdict.startup,
  ];
  const components = verdict.components.map(({ name, status, reason }) => `${name}=${status}:${reason}`);
  return [...parts, ...components, ...verdict.reasons.map(({ code }) => code)].join('|');
}

/** Sends the state when its signature changed, or when events of the main thread wait to be acknowledged. */
export function createPublisher(send: (state: State, lastEventId: number) => void) {
  let published = '';
  let publishedEventId = -1;
  return (verdict: Verdict, state: State, lastEventId: number): void => {
    // That a finding has become final may change nothing that probes see, but the main thread must act.
    const current = `${signature(verdict)}|${state.engine?.cause}:${state.engine?.isFinal}`;
    if (current === published && lastEventId === publishedEventId) return;
    published = current;
    publishedEventId = lastEventId;
    send(state, lastEventId);
  };
}
