import type { ChildProcess } from 'node:child_process';
import type { BoardWatch } from './board.js';
import type { DeadCause } from './policy-types.js';
import { readProcessState } from './process-state.js';

/** What a child process tells by its events; what it does not tell (stopped, gone) the probe thread asks the kernel. */
export interface ChildWatch {
  /** Looks whether the child has written to its standard output; called every {@link POLL_MS}. */
  poll(): void;
  stop(): void;
}

/** A closed pipe is mostly the beginning of an exit, and the exit is the better news. */
const PIPE_GRACE_MS = 250;
/** An engine that ends on SIGTERM or with 0 may have been asked to, by a Ctrl-C that this process is about to see as well. */
const ASKED_GRACE_MS = 200;
const ASKED: readonly unknown[] = [0, 130, 143, 'SIGINT', 'SIGTERM'];

export function watchChild(
  child: ChildProcess,
  heartbeat: 'stdio' | 'ipc' | null,
  watch: BoardWatch,
  onDead: (cause: DeadCause, detail: string) => void,
): ChildWatch {
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  let beats = 0;

  function end(cause: DeadCause, detail: string, graceMs: number): void {
    if (isOver) return;
    clearTimeout(timer);
    const tell = (): void => {
      if (isOver) return;
      isOver = true;
      onDead(cause, detail);
    };
    if (graceMs === 0) tell();
    // It keeps the process alive: an application whose engine is gone may have nothing else left to do.
    else timer = setTimeout(tell, graceMs);
  }
  function onExit(code: number | null, signal: string | null): void {
    const how = code ?? signal;
    const detail = code === null ? `killed by ${signal}` : `exit code ${code}`;
    end('exit', detail, ASKED.includes(how) ? ASKED_GRACE_MS : 0);
  }
  const onDisconnect = (): void => end('pipe_closed', 'IPC channel', PIPE_GRACE_MS);
  const onEnd = (): void => end('pipe_closed', 'standard output', PIPE_GRACE_MS);
  const onMessage = (): void => {
    beats += 1;
    watch.beat(beats);
  };

  const { pid, stdout } = child;
  if (child.exitCode !== null || child.signalCode !== null) onExit(child.exitCode, child.signalCode);
  else if (pid === undefined) end('exit', 'it could not be started', 0);
  else watch.setProcess(pid, readProcessState(pid)?.startTicks ?? 0);

  child.on('exit', onExit);
  if (child.connected) child.on('disconnect', onDisconnect);
  if (heartbeat === 'ipc') child.on('message', onMessage);
  if (heartbeat === 'stdio') stdout?.on('end', onEnd);
  if (heartbeat !== null) watch.expectBeats('main');

  return {
    poll() {
      // Counted by the socket: a 'data' listener of ours would take the data away from who reads it.
      if (heartbeat !== 'stdio') return;
      const { bytesRead } = stdout as unknown as { readonly bytesRead?: number };
      if (bytesRead !== undefined) watch.beat(bytesRead);
    },
    stop() {
      isOver = true;
      clearTimeout(timer);
      child.off('exit', onExit);
      child.off('disconnect', onDisconnect);
      child.off('message', onMessage);
      stdout?.off('end', onEnd);
    },
  };
}
