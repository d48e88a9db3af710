import { isMainThread } from 'node:worker_threads';

/**
 * Whether another thread may connect the inspector to the calling one; call it on the thread that is to be looked into.
 * Under the permission model the connection aborts the process (Node 20 to 26), and a worker with `execArgv: []`, as the
 * agent thread is, cannot know of that model. Of any thread but the main one the inspector would show the wrong stack.
 */
export function mayInspect(): boolean {
  const { permission } = process as { permission?: { has(scope: string): boolean } };
  return isMainThread && (permission === undefined || permission.has('inspector'));
}
