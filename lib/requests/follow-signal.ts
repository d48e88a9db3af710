/**
 * One listener for all who follow the same signal, as thousands of requests may follow that of one connection or process:
 * Node 20 warns of a leak from eleven listeners on, and takes one away in time proportional to their number.
 */
const followed = new WeakMap<
  AbortSignal,
  { readonly callbacks: Set<() => void>; readonly onAbort: () => void }
>();

/** Calls back once when the signal aborts, unless the returned function was called before. For signals not yet aborted. */
export function followSignal(signal: AbortSignal, callback: () => void): () => void {
  let entry = followed.get(signal);
  if (entry === undefined) {
    const callbacks = new Set<() => void>();
    const onAbort = (): void => {
      followed.delete(signal);
      for (const each of callbacks) each();
    };
    entry = { callbacks, onAbort };
    followed.set(signal, entry);
    signal.addEventListener('abort', onAbort, { once: true });
  }
  const { callbacks, onAbort } = entry;
  // A function of its own, so that the same callback may follow twice.
  const own = (): void => callback();
  callbacks.add(own);
  return () => {
    if (!callbacks.delete(own) || callbacks.size > 0) return;
    signal.removeEventListener('abort', onAbort);
    if (followed.get(signal)?.callbacks === callbacks) followed.delete(signal);
  };
}
