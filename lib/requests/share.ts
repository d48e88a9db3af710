import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';
import { InferenceHealthError } from '../errors.js';
import { isRequestsBlockClosed, MAX_SLOTS, openRequestsBlock, type RequestsBlock } from './layout.js';
import { claimSlot, releaseSlot } from './slots.js';
import { type CountedRequest, createTracker, type RequestHandle } from './tracker.js';

/** Where `startHealth` leaves the token for threads that are started later. */
const ENVIRONMENT_KEY = 'inference-health';

/** Plain data for `new Worker(file, { workerData: { health: health.share() } })` or postMessage; of no use in another process. */
export interface ShareToken {
  readonly inferenceHealth: 'share';
  readonly requests: SharedArrayBuffer;
}

export function createShare(block: RequestsBlock): ShareToken {
  return { inferenceHealth: 'share', requests: block.buffer };
}

/** Lets {@link attachHealth} find the block without a token, on threads started from now on by this thread or theirs. */
export function publishShare(token: ShareToken): void {
  setEnvironmentData(ENVIRONMENT_KEY, token);
}

/** Takes back what {@link publishShare} published, unless another health has published meanwhile. */
export function unpublishShare(token: ShareToken): void {
  if (getEnvironmentData(ENVIRONMENT_KEY) === token) setEnvironmentData(ENVIRONMENT_KEY, undefined);
}

/** The calling thread as a writer. */
export interface ThreadRequests {
  begin(): CountedRequest;
  /** Gives the slot back; requests in flight count as failed. Idempotent. */
  release(): void;
}

interface Attachment {
  readonly begin: () => CountedRequest;
  readonly detach: () => void;
  users: number;
}

/** By block: a thread has one slot however often it attaches. */
const attachments = new Map<number, Attachment>();

/**
 * Makes the calling thread count into the block, until `release` or the end of the thread.
 * @throws InferenceHealthError `ERR_CONFIG_INVALID` when {@link MAX_SLOTS} threads count already.
 */
export function attachThread(block: RequestsBlock, clock: () => number): ThreadRequests {
  let attachment = attachments.get(block.id);
  if (attachment === undefined) {
    attachment = claim(block, clock);
    attachments.set(block.id, attachment);
  }
  const mine = attachment;
  mine.users += 1;
  let isReleased = false;
  return {
    begin: mine.begin,
    release() {
      if (isReleased) return;
      isReleased = true;
      mine.users -= 1;
      if (mine.users === 0) mine.detach();
    },
  };
}

function claim(block: RequestsBlock, clock: () => number): Attachment {
  const claimed = claimSlot(block);
  if (claimed === null) {
    throw new InferenceHealthError(
      'ERR_CONFIG_INVALID',
      `attachHealth: ${MAX_SLOTS} threads of this process count requests already, and that is the most there can be; ` +
        'close() those that no longer need to, or count on the thread that hands out the work',
    );
  }
  const detach = (): void => {
    process.off('exit', detach);
    attachments.delete(block.id);
    releaseSlot(block, claimed, clock());
  };
  // Runs when the thread ends by itself, by process.exit or by an error. After terminate() nothing runs here: then the
  // probe thread finds the thread gone (releaseDeadThreads).
  process.on('exit', detach);
  return { begin: createTracker(block, claimed, clock).begin, detach, users: 0 };
}

export interface AttachedHealth {
  readonly requests: {
    /** Counts a request from now on. */
    begin(): RequestHandle;
  };
  /** Detaches this thread: its totals stay, its requests in flight count as failed. Idempotent; done when it returns. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Counts requests of another thread of a process that has called `startHealth`. It holds nothing that keeps the thread
 * alive, and costs nothing when not counting. A thread that attaches twice has one slot; it is freed with the last close().
 * @param token `health.share()`; needed only on threads that were started before `startHealth` was called.
 * @param clock monotonic milliseconds, the same on all threads of the process.
 * @throws InferenceHealthError `ERR_CONFIG_INVALID` when the token is none, there is no health to find, or 64 threads
 * count already; `ERR_CLOSED` when that health is closed.
 */
export function attachHealthWith(clock: () => number, token?: ShareToken): AttachedHealth {
  const thread = findAndAttach(clock, token);
  const close = async (): Promise<void> => thread.release();
  return { requests: { begin: thread.begin }, close, [Symbol.asyncDispose]: close };
}

/** {@link attachHealthWith} for the package's own use. */
export function findAndAttach(clock: () => number, token?: ShareToken): ThreadRequests {
  const block = blockOf(token);
  if (isRequestsBlockClosed(block)) {
    throw new InferenceHealthError('ERR_CLOSED', 'attachHealth: the health of this process has been closed');
  }
  return attachThread(block, clock);
}

/** True when {@link attachHealth} on this thread would find a health without a token. */
export function hasPublishedShare(): boolean {
  return getEnvironmentData(ENVIRONMENT_KEY) !== undefined;
}

function blockOf(token: ShareToken | undefined): RequestsBlock {
  const given: unknown = token ?? getEnvironmentData(ENVIRONMENT_KEY);
  if (given === undefined) {
    throw new InferenceHealthError(
      'ERR_CONFIG_INVALID',
      'attachHealth: found no health in this process; call startHealth() before this thread is started, or pass ' +
        'health.share() to it (workerData, postMessage) and attachHealth(token)',
    );
  }
  const buffer: unknown =
    typeof given === 'object' && given !== null && 'requests' in given ? given.requests : undefined;
  const block = openRequestsBlock(buffer);
  if (block === null) {
    throw new InferenceHealthError(
      'ERR_CONFIG_INVALID',
      'attachHealth(token): expected what health.share() of the same version of inference-health gave in this process, ' +
        `received ${given === null ? 'null' : typeof given}`,
    );
  }
  return block;
}
