import { createAdmission } from '../../lib/admission/admission.js';
import { type AdmissionLimits, NO_LIMITS } from '../../lib/admission/policy.js';
import { createBoard, createBoardWriter } from '../../lib/engine/board.js';
import { createActiveScopes } from '../../lib/lifecycle/active-scopes.js';
import type { EndpointHandle } from '../../lib/lifecycle/serve.js';
import { createEndpoints } from '../../lib/lifecycle/served-endpoint.js';
import type { RequestHandle } from '../../lib/requests/tracker.js';
import type { StatusEvent } from '../../lib/status/events.js';
import { createVirtualClock } from '../scope/virtual-clock.js';

/** Real scopes, admission and board in virtual time; what would cross to other threads is written down. */
export function setUpServing(limits: Partial<AdmissionLimits> = {}) {
  const clock = createVirtualClock();
  const scopes = createActiveScopes(clock);
  const admission = createAdmission({ limits: { ...NO_LIMITS, ...limits }, clock, random: () => 0 });
  const board = createBoardWriter(createBoard(), clock.now);
  const counted = { begun: 0, ended: 0, failed: 0, tokens: 0 };
  const events: StatusEvent[] = [];
  const errors: unknown[] = [];
  const canaries: string[] = [];
  const begin = (): RequestHandle => {
    counted.begun += 1;
    let isOver = false;
    const settle = (key: 'ended' | 'failed'): void => {
      if (!isOver) counted[key] += 1;
      isOver = true;
    };
    const end = (): void => settle('ended');
    return {
      tokens: (n) => {
        counted.tokens += n;
      },
      end,
      fail: () => settle('failed'),
      [Symbol.dispose]: end,
    };
  };
  const endpoint: (name: string) => EndpointHandle = createEndpoints({
    scopes,
    admission,
    begin,
    beginWork: board.begin,
    canaries: {
      add: ({ name }, payload) => canaries.push(`add ${name} ${JSON.stringify(payload)}`),
      traffic: (name) => canaries.push(`traffic ${name}`),
      remove: (name) => canaries.push(`remove ${name}`),
    },
    reportError: (error) => errors.push(error),
    declare: (name) => events.push({ type: 'endpoint-declared', atMs: clock.now(), name }),
    dispatch: (event) => events.push(event),
    now: clock.now,
  });
  const lastStatus = (): string | undefined =>
    events
      .flatMap((event) =>
        event.type === 'endpoint'
          ? [`${event.status}${event.reason === null ? '' : ` ${event.reason}`}`]
          : [],
      )
      .at(-1);
  return { clock, scopes, admission, board, counted, events, errors, canaries, endpoint, lastStatus };
}

/** A promise to be settled from outside. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** Lets every microtask that is due run, without the clock moving. */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

export type Frame = { text: string; tokens?: number };

export async function* words(request: string): AsyncGenerator<Frame> {
  for (const text of request.split(' ')) yield { text, tokens: 1 };
}

export async function collect<T>(frames: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const frame of frames) all.push(frame);
  return all;
}
