// A fake driver in a folder: the library, its control file, a kernel log, and the files that say which driver is loaded.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildLibrary, DRIVERS } from './build.mjs';
import { createControlFile, openControlFile } from './control-file.mjs';
import { defaultGpu, defaultMig } from './devices.mjs';
import { createKernelLog, openKernelLog } from './kmsg.mjs';
import {
  DEVICE,
  DEVICE_TEXT,
  deviceAt,
  EVENT,
  eventAt,
  HEADER,
  MAX_DEVICES,
  MAX_OVERRIDES,
  MAX_PROCESSES,
  MAX_THREADS,
  OVERRIDE,
  overrideAt,
  PROCESS,
  processAt,
  TEXT,
  threadAt,
} from './layout.mjs';
import { openRules } from './rules.mjs';
import { openXids } from './xid.mjs';

/** @typedef {import('./control-file.mjs').Value} Value */
/** A GPU: fields of FAKE_DEVICE_FIELDS, its texts, and how many MIG devices it has.
 * @typedef {Record<string, Value | string> & { mig?: number }} GpuDescription */
/** @typedef {{ gpus?: number | GpuDescription[], driver?: string }} FakeGpuOptions */
/** @typedef {ReturnType<typeof openFakeGpu>} FakeGpu */

/** Event bits. */
export const EVENTS = {
  singleBitEcc: 0x1,
  doubleBitEcc: 0x2,
  pState: 0x4,
  xid: 0x8,
  clock: 0x10,
  powerSource: 0x80,
  migConfig: 0x100,
  eccStorm: 0x200,
  retirement: 0x400,
  retirementFailure: 0x800,
  nonFatalPoison: 0x1000,
  fatalPoison: 0x2000,
  gpuUnavailable: 0x4000,
  recoveryAction: 0x8000,
};

/** Slots from here on are MIG devices. */
const FIRST_MIG_SLOT = 16;

/**
 * A folder with a driver of that age and that many GPUs. The library is a copy, so that each fake is loaded by itself
 * although a process never unloads one.
 * @param {FakeGpuOptions} [options]
 * @param {string} [folder]
 */
export function createFakeGpu(options = {}, folder = mkdtempSync(join(tmpdir(), 'fake-gpu-'))) {
  const driver = options.driver ?? '570';
  const library = buildLibrary(driver);
  const { version, cuda } = DRIVERS[/** @type {keyof typeof DRIVERS} */ (driver)];
  copyFileSync(library, join(folder, `libnvidia-ml.so.${version}`));
  symlinkSync(`libnvidia-ml.so.${version}`, join(folder, 'libnvidia-ml.so.1'));
  createKernelLog(join(folder, 'kmsg'));

  const file = createControlFile(join(folder, 'control'));
  file.setHeader('cudaVersion', cuda);
  for (const name of ['driverVersion', 'nvmlVersion'])
    file.writeText(
      /** @type {[number, number]} */ (TEXT.get(name)),
      name === 'nvmlVersion' ? `12.${version}` : version,
    );
  file.close();

  const fake = openFakeGpu(folder);
  const gpus =
    typeof options.gpus === 'object' ? options.gpus : Array.from({ length: options.gpus ?? 1 }, () => ({}));
  let nextMig = FIRST_MIG_SLOT;
  for (const [slot, { mig = 0, ...description }] of gpus.entries()) {
    fake.set(slot, {
      ...defaultGpu(slot, Number(driver)),
      ...(mig > 0 ? { migMode: 1, migPendingMode: 1 } : {}),
      ...description,
    });
    for (let index = 0; index < mig; index += 1, nextMig += 1)
      fake.set(nextMig, defaultMig(nextMig, slot, index));
  }
  writeRoot(join(folder, 'root'), version, gpus.length);
  return fake;
}

/** The driver's traces in the file system, for a reader whose paths start at a root of its own.
 * @param {string} root @param {string} version @param {number} gpus */
function writeRoot(root, version, gpus) {
  for (const path of ['proc/driver/nvidia', 'sys/module/nvidia', 'dev'])
    mkdirSync(join(root, path), { recursive: true });
  writeFileSync(
    join(root, 'proc/driver/nvidia/version'),
    `NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  ${version}  Release Build\n`,
  );
  writeFileSync(join(root, 'sys/module/nvidia/version'), `${version}\n`);
  const nodes = ['nvidiactl', 'nvidia-uvm', ...Array.from({ length: gpus }, (_, index) => `nvidia${index}`)];
  for (const node of nodes) writeFileSync(join(root, 'dev', node), '');
  symlinkSync('../../kmsg', join(root, 'dev/kmsg'));
}

/** Steers a fake that exists, also one made by another process. @param {string} folder */
export function openFakeGpu(folder) {
  const file = openControlFile(join(folder, 'control'));
  const rules = openRules(file);
  const kmsg = openKernelLog(join(folder, 'kmsg'), file);

  const fake = {
    folder,
    /** Path for dlopen. */
    library: join(folder, 'libnvidia-ml.so.1'),
    /** Path for FAKE_NVML_CONTROL; not needed with `library`, which finds the file beside itself. */
    control: file.path,
    /** A root with /proc/driver/nvidia, /sys/module/nvidia and /dev. */
    root: join(folder, 'root'),
    kmsg,
    ...rules,

    /** Values and texts of a device; null is "not supported". @param {number} slot @param {Record<string, Value | string>} values */
    set(slot, values) {
      const base = slotAt(slot);
      /** @type {Record<string, Value>} */
      const numbers = {};
      for (const [name, value] of Object.entries(values)) {
        const place = DEVICE_TEXT.get(name);
        if (place !== undefined) file.writeText(place, String(value), base);
        else if (typeof value === 'string') throw new Error(`${name} is a number, not '${value}'`);
        else numbers[name] = value;
      }
      const first = /** @type {number} */ ([...DEVICE.values()][0]);
      file.writeRecord(base + first, DEVICE, numbers);
    },
    /** A value of a device; NaN where it is not supported. @param {number} slot @param {string} name */
    get: (slot, name) => file.read(slotAt(slot) + deviceField(name)),
    /** @param {number} slot @param {'uuid' | 'name' | 'serial'} name */
    text: (slot, name) =>
      file.readText(/** @type {[number, number]} */ (DEVICE_TEXT.get(name)), slotAt(slot)),
    /** Adds to a counter of a device. @param {number} slot @param {string} name @param {number} by */
    add: (slot, name, by = 1) => fake.set(slot, { [name]: fake.get(slot, name) + by }),
    /** Slots of the GPUs that exist, MIG devices not among them. */
    gpus() {
      return Array.from({ length: MAX_DEVICES }, (_, slot) => slot).filter(
        (slot) => fake.get(slot, 'kind') === 1,
      );
    },
    /** Slots of the MIG devices of a GPU. @param {number} parent */
    migs(parent) {
      return Array.from({ length: MAX_DEVICES }, (_, slot) => slot).filter(
        (slot) => fake.get(slot, 'kind') === 2 && fake.get(slot, 'parent') === parent,
      );
    },
    /** Processes on a device. @param {number} slot @param {Array<Record<string, Value>>} processes */
    processes(slot, processes) {
      if (processes.length > MAX_PROCESSES) throw new Error(`at most ${MAX_PROCESSES} processes`);
      const none = {
        gpuInstance: 0xffffffff,
        computeInstance: 0xffffffff,
        protectedBytes: 0,
        smUtilPercent: 0,
        memUtilPercent: 0,
      };
      for (const [index, process] of processes.entries())
        file.writeRecord(processAt(slot, index), PROCESS, { ...none, ...process });
      fake.set(slot, { processCount: processes.length });
    },
    /** One answer of nvmlDeviceGetFieldValues. @param {number} fieldId
     * @param {{ device?: number, scopeId?: number, returnCode?: number, valueType?: number, value?: Value }} [answer] */
    override(fieldId, answer = {}) {
      for (let index = 0; index < MAX_OVERRIDES; index += 1) {
        const isFree = file.read(overrideAt(index)) === 0;
        const isSame = file.read(overrideAt(index) + Number(OVERRIDE.get('fieldId'))) === fieldId;
        if (!isFree && !isSame) continue;
        const values = {
          device: -1,
          scopeId: -1,
          returnCode: 0,
          valueType: 1,
          value: 0,
          ...answer,
          fieldId,
          used: 1,
        };
        file.writeRecord(overrideAt(index), OVERRIDE, values);
        return;
      }
      throw new Error(`at most ${MAX_OVERRIDES} overrides`);
    },

    /** An event for the sets that asked for it. @param {number} slot -1: of a device that nobody knows
     * @param {{ type: number, data?: number, gpuInstance?: number, computeInstance?: number, repeat?: number, step?: number }} event */
    event(slot, event) {
      const number = file.header('eventHead');
      const none = { data: 0, gpuInstance: 0xffffffff, computeInstance: 0xffffffff, repeat: 1, step: 0 };
      file.writeRecord(eventAt(number), EVENT, { ...none, ...event, device: slot });
      file.setHeader('eventHead', number + 1);
    },
    /** Calls on this GPU answer `code`: 15 lost, 16 reset required, … @param {number} slot @param {number} [code] */
    lose(slot, code = 15) {
      fake.set(slot, { returnCode: code });
      for (const mig of fake.migs(slot)) fake.set(mig, { returnCode: code });
    },
    /** A lost GPU that the next nvmlInit does not find any more: the indices behind it shift. @param {number} slot */
    vanish: (slot) => fake.set(slot, { returnCode: 15, present: 0 }),
    /** It is back, as after a reset: same UUID, volatile counters at zero. @param {number} slot */
    restore(slot) {
      const zero = {
        eccVolatileCorrected: 0,
        eccVolatileUncorrected: 0,
        sramVolatileCorrected: 0,
        sramVolatileParity: 0,
        sramVolatileSecDed: 0,
      };
      fake.set(slot, { ...zero, remapPending: 0, pcieReplay: 0, returnCode: 0, present: 1 });
      if (!Number.isNaN(fake.get(slot, 'recoveryAction'))) fake.set(slot, { recoveryAction: 0 });
      for (const mig of fake.migs(slot)) fake.set(mig, { returnCode: 0 });
    },
    /** As after a daemon reload that takes the device nodes from the container: 999 from everything. */
    loseAccess: (isLost = true) => file.setHeader('accessLost', isLost ? 1 : 0),
    /** As after an upgrade of the driver under a running process: new inits answer 18. */
    mismatch: (isMismatched = true) => file.setHeader('versionMismatch', isMismatched ? 1 : 0),
    /** The driver is unloaded at once; running sessions get `code`. */
    unload(code = 9) {
      file.setHeader('goneReturn', code);
      file.setHeader('driverLoaded', 0);
    },
    load: () => file.setHeader('driverLoaded', 1),
    /** Announces an unbind, waits until nobody holds NVML any more, and unloads. @param {number} [timeoutMs] */
    async unbind(timeoutMs = 10_000) {
      fake.event(-2, { type: 1 });
      await fake.until(() => file.header('references') === 0, timeoutMs, 'all sessions to end');
      fake.unload();
    },
    bind() {
      fake.load();
      fake.event(-2, { type: 2 });
    },

    /** A field of FAKE_HEADER_FIELDS. @param {string} name */
    header: (name) => file.header(name),
    /** @param {string} name @param {Value} value */
    setHeader: (name, value) => file.setHeader(name, value),
    /** All of them: reference count, leaks, stale handles, threads, … @returns {Record<string, number>} */
    counters: () => Object.fromEntries([...HEADER.keys()].slice(3).map((name) => [name, file.header(name)])),
    /** Ids of the threads that ever called. */
    threads: () =>
      Array.from({ length: Math.min(MAX_THREADS, file.header('threads')) }, (_, index) =>
        file.read(threadAt(index)),
      ),
    /** Waits for a condition. @param {() => boolean} condition @param {number} [timeoutMs] @param {string} [what] */
    async until(condition, timeoutMs = 10_000, what = 'the condition') {
      const deadline = Date.now() + timeoutMs;
      while (!condition()) {
        if (Date.now() > deadline) throw new Error(`${timeoutMs} ms passed waiting for ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    },
    /** Lets go of the files; the folder stays. */
    close() {
      kmsg.close();
      file.close();
    },
    /** Lets blocked calls return, and removes the folder. */
    destroy() {
      fake.clear();
      fake.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return { ...fake, ...openXids(fake) };
}

/** @param {number} slot */
function slotAt(slot) {
  if (!(slot >= 0 && slot < MAX_DEVICES)) throw new Error(`slot ${slot} is not in 0..${MAX_DEVICES - 1}`);
  return deviceAt(slot);
}

/** @param {string} name */
function deviceField(name) {
  const offset = DEVICE.get(name);
  if (offset === undefined) throw new Error(`a device has no field ${name}`);
  return offset;
}
