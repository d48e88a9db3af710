import { InferenceHealthError } from '../errors.js';
import type { NativeAddon } from './addon.js';
import { loadNative } from './loader.js';

export interface SourceOptions {
  readonly native: 'auto' | 'off' | 'required';
  readonly root: string;
  readonly hz: number;
  readonly perCore: boolean;
  /** See `heartbeat.ts`; used without the addon. */
  readonly heartbeat: SharedArrayBuffer | null;
}

export interface Source {
  readonly addon: NativeAddon;
  /** False for the JavaScript fallback. */
  readonly native: boolean;
  /** Why the addon did not load; empty when it did or was not wanted. */
  readonly report: string;
}

/**
 * The addon where it loads, else the JavaScript sampler with the same interface.
 * Throws ERR_NATIVE_LOAD only where the addon is `required`.
 */
export function openSource(options: SourceOptions): Source {
  const loaded = options.native === 'off' ? null : loadNative();
  if (loaded?.native != null) return { addon: loaded.native, native: true, report: '' };
  if (options.native === 'required')
    throw new InferenceHealthError('ERR_NATIVE_LOAD', loaded?.report ?? 'the addon is off');
  const { root, hz, heartbeat } = options;
  // Loaded only here: its modules would add milliseconds to every start of the probe thread.
  const { createFallback } = require('./fallback.js') as typeof import('./fallback.js');
  return { addon: createFallback({ root, hz, heartbeat }), native: false, report: loaded?.report ?? '' };
}
