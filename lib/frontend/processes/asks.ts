import type { ToProcess } from './messages.js';

/** A process that does not turn is not waited for. */
const ANSWER_MS = 1000;

export interface Asks {
  /** Sends to each and resolves when all have answered that still run, or the time is over. */
  all(
    members: Iterable<{ send(message: ToProcess): void }>,
    message: (id: number) => ToProcess,
  ): Promise<void>;
  answered(id: number): void;
}

export function createAsks(): Asks {
  const replies = new Map<number, () => void>();
  let lastId = 0;
  return {
    async all(members, message) {
      await Promise.all(
        Array.from(members, (member) => {
          lastId += 1;
          const id = lastId;
          return new Promise<void>((resolve) => {
            const done = (): void => {
              clearTimeout(timer);
              replies.delete(id);
              resolve();
            };
            const timer = setTimeout(done, ANSWER_MS);
            replies.set(id, done);
            member.send(message(id));
          });
        }),
      );
    },
    answered: (id) => replies.get(id)?.(),
  };
}
