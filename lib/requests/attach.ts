import { monoMs } from '../native/clock.js';
import { type AttachedHealth, attachHealthWith, type ShareToken } from './share.js';

/** See {@link attachHealthWith}; the clock is the process's monotonic one. */
export function attachHealth(token?: ShareToken): AttachedHealth {
  return attachHealthWith(monoMs, token);
}
