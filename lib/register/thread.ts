import { InferenceHealthError } from '../errors.js';
import { monoMs } from '../native/clock.js';
import { countHttpRequests } from '../requests/http-channel.js';
import { findAndAttach, hasPublishedShare, type ThreadRequests } from '../requests/share.js';
import { say } from './say.js';

/**
 * On a worker thread: counts what its own node:http servers receive into the health of the main thread, if there is one.
 * A thread takes one of the 64 places with its first request, since most threads serve nothing.
 */
export function register(): void {
  if (!hasPublishedShare()) return;
  let requests: ThreadRequests | null = null;
  const stop = countHttpRequests(() => {
    try {
      requests ??= findAndAttach(monoMs);
      return requests.begin();
    } catch (error) {
      stop();
      const isClosed = error instanceof InferenceHealthError && error.code === 'ERR_CLOSED';
      if (!isClosed) say(`requests of this thread are not counted: ${String(error)}`);
      return null;
    }
  });
}
