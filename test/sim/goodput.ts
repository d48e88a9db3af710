/** Promise 27: within seconds after the faults have stopped requests are served in time again, whatever had piled up. */
import { NOBODY } from './admission-spec.js';
import type { SimClient } from './client.js';
import type { Frontend } from './frontend/frontend.js';
import type { RequestSpec } from './scenario.js';
import type { World } from './world.js';

export interface Goodput {
  isBack(): boolean;
  /**
   * Once in a while after the faults have stopped.
   * @param mayBeBusy without admission nothing bounds what has piled up, and a slow worker may be at it for longer than that
   */
  look(lateMs: number, mayBeBusy: boolean): void;
}

/** In a round; all of them must be served in time, since the pool has next to nothing to do. */
const ROUND = 12;
const GAP_MS = 35;
const IN_TIME_MS = 2000;
/** After the last fault; the last round that may begin has its time besides. */
const BACK_MS = 10_000;

export function createGoodput({ checks, kernel }: World, frontends: readonly Frontend[]): Goodput {
  let round: { readonly client: SimClient; readonly atMs: number }[] = [];
  let beganMs = Number.NEGATIVE_INFINITY;
  let sent = 0;
  let isBack = false;

  function send(): void {
    round = [];
    beganMs = kernel.nowMs;
    // One after the other: a pool with next to nothing to do is to serve them, however few it lets in at once.
    for (let n = 0; n < ROUND; n += 1)
      kernel.at(beganMs + n * GAP_MS, () => {
        sent += 1;
        const client = frontends[sent % frontends.length]!.request(smallRequest(`g${sent}`, 2e9 + sent));
        round.push({ client, atMs: kernel.nowMs });
      });
  }

  return {
    isBack: () => isBack,
    look(lateMs, mayBeBusy) {
      if (isBack || kernel.nowMs < beganMs + ROUND * GAP_MS) return;
      const served = round.filter(
        ({ client: { servedMs }, atMs }) => servedMs !== null && servedMs - atMs <= IN_TIME_MS,
      );
      isBack = round.length > 0 && served.length === round.length;
      const isOpen = round.some(({ client }) => !client.isOver);
      if (isBack || (isOpen && kernel.nowMs < beganMs + ROUND * GAP_MS + IN_TIME_MS)) return;
      checks.check(
        27,
        mayBeBusy || lateMs < BACK_MS + IN_TIME_MS,
        () => `${served.length} of ${round.length} requests served in time ${lateMs} ms after the last fault`,
      );
      send();
    },
  };
}

export function smallRequest(id: string, seed: number): RequestSpec {
  const none = { stop: [], deadlineMs: null, leavesAfterMs: null, isPoison: false };
  return { ...NOBODY, ...none, id, atMs: 0, frontend: 0, seed, promptTokens: 4, maxTokens: 3, choices: 1 };
}
