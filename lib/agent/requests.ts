import type { AgentReply, AgentRequest } from './protocol.js';

/** A request that has no answer yet. */
export interface Question {
  readonly id: number;
  readonly request: (agentRestarts: number) => AgentRequest;
  /** How often it was posted; after the second time the death of the thread is its answer. */
  attempts: number;
  isSent: boolean;
}

interface Open extends Question {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** The requests under way, each with its deadline. */
export interface Requests {
  open<T>(
    make: (id: number, agentRestarts: number) => AgentRequest,
    deadlineMs: number,
    onMissed: () => void,
  ): { readonly question: Question; readonly answer: Promise<T> };
  settle(reply: Exclude<AgentReply, { kind: 'notice' }>): void;
  /** What was posted once goes back to the unsent ones; what was posted twice may be what kills the thread. */
  onDeath(error: Error): void;
  unsent(): Question[];
  rejectAll(error: Error): void;
}

const MOST_ATTEMPTS = 2;

export function createRequests(): Requests {
  const all = new Map<number, Open>();
  let lastId = 0;

  function remove(id: number): Open | undefined {
    const open = all.get(id);
    if (open !== undefined) clearTimeout(open.timer);
    all.delete(id);
    return open;
  }

  return {
    open<T>(
      make: (id: number, agentRestarts: number) => AgentRequest,
      deadlineMs: number,
      onMissed: () => void,
    ) {
      lastId += 1;
      const id = lastId;
      const { promise, resolve, reject } = withResolvers<T>();
      const timer = setTimeout(() => {
        const late = remove(id);
        late?.reject(new Error(`the agent thread gave no answer within ${deadlineMs} ms`));
        if (late?.isSent) onMissed();
      }, deadlineMs).unref();
      const question: Open = {
        id,
        request: (agentRestarts) => make(id, agentRestarts),
        attempts: 0,
        isSent: false,
        resolve: resolve as (value: unknown) => void,
        reject,
        timer,
      };
      all.set(id, question);
      return { question, answer: promise };
    },
    settle(reply) {
      const open = remove(reply.id);
      if (reply.kind === 'metrics') open?.resolve(reply.body);
      else if (reply.kind === 'stall') open?.resolve(reply.result);
      else open?.reject(new Error(reply.message));
    },
    onDeath(error) {
      for (const open of [...all.values()]) {
        if (open.attempts >= MOST_ATTEMPTS) remove(open.id)?.reject(error);
        else open.isSent = false;
      }
    },
    unsent: () => [...all.values()].filter((open) => !open.isSent),
    rejectAll(error) {
      for (const id of [...all.keys()]) remove(id)?.reject(error);
    },
  };
}

/** `Promise.withResolvers`, which Node 20 lacks. */
function withResolvers<T>() {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  return { promise, resolve, reject };
}
