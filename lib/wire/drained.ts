import type { Writable } from 'node:stream';

/** Who reads at the other end has taken what was written, or has gone. */
export function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    // What is closed already closes no more.
    if (stream.destroyed) return resolve();
    const done = (): void => {
      stream.off('drain', done).off('close', done);
      resolve();
    };
    stream.once('drain', done).once('close', done);
  });
}
