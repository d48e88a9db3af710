import { readFileSync, readlinkSync } from 'node:fs';
import type { NativeAddon } from './addon.js';
import { monoMs } from './clock.js';
import { heartbeatBusyMs, isBeating, readHeartbeat } from './heartbeat.js';
import { CORES_SLOTS, HOST, HOST_FIELDS, LOOP_FIELDS } from './layout.js';
import { NATIVE_ABI } from './loader.js';
import { createProcReader } from './procfs/host-reader.js';
import { createSystemReader } from './procfs/system-reader.js';

export interface FallbackOptions {
  /** Prefix of /proc and /sys; '/' for the real ones. */
  readonly root: string;
  /** Samples per second, 1 to 100. */
  readonly hz: number;
  /** What the watched loop writes (see `heartbeat.ts`); null = no loop is watched. */
  readonly heartbeat: SharedArrayBuffer | null;
}

/**
 * The addon's interface in JavaScript, for platforms without a binary. It belongs to the thread that creates it: the
 * sampler is a timer of that thread, which reads synchronously for a fraction of a millisecond (never libuv's pool). An
 * instance that nobody started samples when it is read and its last sample is older than 1/hz. There is one loop, the one
 * behind `heartbeat`, under every id.
 */
export function createFallback(options: FallbackOptions): NativeAddon {
  const host = new Float64Array(HOST_FIELDS.length).fill(Number.NaN);
  let cores = new Float64Array(0);
  let version = 0;
  let timer: NodeJS.Timeout | null = null;
  let reader = createReader(options.root);
  let intervalMs = 1000 / options.hz;
  const beat = options.heartbeat === null ? null : new Int32Array(options.heartbeat);

  function sample(): void {
    const startedMs = monoMs();
    host[HOST.observedAtMs] = startedMs;
    host[HOST.observedUnixMs] = Date.now();
    reader.sample(startedMs, Date.now(), host, cores);
    version += 1;
    host[HOST.samples] = version;
    host[HOST.sampleDurationUs] = (monoMs() - startedMs) * 1e3;
  }

  function sampleIfDue(): void {
    if (timer !== null || monoMs() - (host[HOST.observedAtMs] ?? Number.NaN) < intervalMs) return;
    sample();
    // Whoever reads now and then does not say when it ends: no descriptor is kept for it.
    reader.close();
  }

  return {
    abi: NATIVE_ABI,
    layout: () => ({
      host: section(HOST_FIELDS.length, HOST_FIELDS),
      cores: section(CORES_SLOTS, ['count', 'busyRatio']),
      loop: section(LOOP_FIELDS.length, LOOP_FIELDS),
    }),
    startSampler({ root, hz, perCore }) {
      if (timer !== null) return false;
      if (!(hz >= 1 && hz <= 100)) throw new RangeError('Expected hz to be between 1 and 100');
      reader.close();
      reader = createReader(root);
      host.fill(Number.NaN);
      intervalMs = 1000 / hz;
      cores = new Float64Array(perCore ? CORES_SLOTS : 0);
      timer = setInterval(sample, intervalMs).unref();
      sample();
      return true;
    },
    stopSampler() {
      if (timer !== null) clearInterval(timer);
      timer = null;
      reader.close();
      intervalMs = Number.POSITIVE_INFINITY;
    },
    read(name, into) {
      const from = name === 'host' ? host : cores;
      if (into.length < (name === 'host' ? host.length : CORES_SLOTS))
        throw new TypeError(`Expected into to be a Float64Array of at least ${from.length} elements`);
      sampleIfDue();
      if (from.length === 0) into.fill(Number.NaN, 0, CORES_SLOTS);
      else into.set(from);
      return from.length === 0 ? 0 : version;
    },
    poll(_loop, into) {
      sampleIfDue();
      const now = monoMs();
      const isMonitored = beat !== null && isBeating(beat);
      into[0] = now;
      into[1] = version;
      into[2] = isMonitored ? heartbeatBusyMs(beat, now) : 0;
      into[3] = isMonitored ? 1 : 0;
      into[4] = Date.now();
    },
    monitorLoop: () => (beat === null ? -1 : 0),
    unmonitorLoop: () => undefined,
    readLoop: (_id, into) => beat !== null && readHeartbeat(beat, monoMs(), into),
    now: monoMs,
    threadId,
  };
}

function createReader(root: string): ReturnType<typeof createProcReader> {
  const prefix = root.replace(/\/+$/, '');
  return process.platform === 'linux' || prefix !== ''
    ? createProcReader(prefix, pageBytes())
    : createSystemReader();
}

/** AT_PAGESZ in the auxiliary vector: pairs of 64-bit numbers. Node has no name for it, and arm64 has three sizes. */
function pageBytes(): number {
  const AT_PAGESZ = 6n;
  try {
    const vector = new BigUint64Array(Uint8Array.from(readFileSync('/proc/self/auxv')).buffer);
    const at = vector.findIndex((type, index) => index % 2 === 0 && type === AT_PAGESZ);
    if (at >= 0) return Number(vector[at + 1]);
  } catch {
    // No /proc: then nothing counts in pages.
  }
  return 4096;
}

function section(slots: number, names: readonly string[]) {
  return { slots, fields: Object.fromEntries(names.map((name, index) => [name, index])) };
}

// "<pid>/task/<tid>" of whoever reads it.
function threadId(): number {
  try {
    return Number(readlinkSync('/proc/thread-self').split('/').pop());
  } catch {
    return process.pid;
  }
}
