/** The addon's signal exports, 1:1. Signals are numbers. */
export interface NativeSignals {
  /**
   * Notes when one of these comes, in the native block, and calls the handler that was there before: to be called on the
   * main thread, behind `process.on`. Signals with the default action are left alone. A third signal that the main thread
   * has had no chance to see ends the process with `exitCode`. Returns how many are watched.
   */
  watchSignals(signals: readonly number[], exitCode?: number): number;
  /** Where another handler has been installed over ours, ours goes over that one. Returns how many had to. */
  rearmSignals(): number;
  /** Puts the previous handlers back, unless another has been installed since. */
  unwatchSignals(): void;
  /** The main thread has seen a signal. */
  acknowledgeSignal(): void;
  /** Forgets those that came: `signalAtMs` of `poll` is 0 again. */
  clearSignals(): void;
  /** Ends the process at once, from any thread; nothing is cleaned up. */
  exitProcess(code: number): never;
}
