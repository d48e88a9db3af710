// An XID as a driver reports it: an NVML event, a line in the kernel log, or both.
import { EVENTS } from './fake-gpu.mjs';

/**
 * @typedef {object} XidOptions
 * @property {ReadonlyArray<'nvml' | 'kmsg'>} [via] default: both, the kernel log alone for those that NVML does not deliver
 * @property {number} [pid] of the process that the line blames
 * @property {string} [name] of that process
 * @property {string} [text] what follows in the line
 * @property {{ gpuInstance: number, computeInstance: number }} [mig]
 * @property {number} [times] so many events; one line each too, up to 1000
 */

/** Raised without the notifier that NVML's XID event comes from. */
const KMSG_ONLY = new Set([62, 63, 64, 74, 92, 110, 119, 136, 140, 154, 175]);

const TEXTS = new Map([
  [13, 'Graphics SM Warp Exception on (GPC 0, TPC 0, SM 0): Out Of Range Address'],
  [
    31,
    'Ch 00000008, intr 00000000. MMU Fault: ENGINE GRAPHICS GPCCLIENT_T1_0 faulted @ 0x7f1e_00000000. Fault is of type FAULT_PDE ACCESS_TYPE_VIRT_READ',
  ],
  [43, 'Ch 00000010'],
  [45, 'Ch 00000010'],
  [
    48,
    'An uncorrectable double bit error (DBE) has been detected on GPU in the framebuffer at partition 5, subpartition 0.',
  ],
  [63, 'Row Remapper: New row (0x0000000000001234) marked for remapping, reset gpu to activate.'],
  [64, 'Row Remapper: Row (0x0000000000001234) remapping failed'],
  [79, 'GPU has fallen off the bus.'],
  [94, 'Contained: SM (0x1). RST: No, D-RST: No'],
  [95, 'Uncontained: LTC TAG (0x2,0x0). RST: Yes, D-RST: No'],
  [
    119,
    'Timeout after 45s of waiting for RPC response from GPU0 GSP! Expected function 76 (GSP_RM_CONTROL) (0x2080014b 0x5).',
  ],
  [154, 'GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)'],
]);
/** Lines that name no process at all. */
const WITHOUT_PID = new Set([79, 154]);

/** @param {{ event: Function, get(slot: number, name: string): number, kmsg: { write: Function } }} fake */
export function openXids(fake) {
  /** @param {number} slot */
  const busId = (slot) => {
    const hex = (/** @type {string} */ name, /** @type {number} */ digits) =>
      fake.get(slot, name).toString(16).padStart(digits, '0');
    return `${hex('pciDomain', 4)}:${hex('pciBus', 2)}:${hex('pciDevice', 2)}`;
  };
  return {
    /** `0000:0f:00`, as the kernel log names the GPU. */
    busId,
    /** A GPU reports an XID. @param {number} slot @param {number} xid @param {XidOptions} [options] */
    xid(slot, xid, options = {}) {
      const via = options.via ?? (KMSG_ONLY.has(xid) ? ['kmsg'] : ['nvml', 'kmsg']);
      const { times = 1, mig } = options;
      if (via.includes('nvml')) fake.event(slot, { type: EVENTS.xid, data: xid, repeat: times, ...mig });
      if (!via.includes('kmsg')) return;
      const hex = (/** @type {number} */ value) => value.toString(16).padStart(2, '0');
      const instance =
        mig === undefined ? '' : ` GPU-I:${hex(mig.gpuInstance)} GPU-CI:${hex(mig.computeInstance)}`;
      const blame =
        WITHOUT_PID.has(xid) && options.pid === undefined
          ? ''
          : `pid=${options.pid ?? "'<unknown>'"}, name=${options.name ?? '<unknown>'}, `;
      const text = options.text ?? TEXTS.get(xid) ?? 'fake';
      for (let index = 0; index < Math.min(times, 1000); index += 1)
        fake.kmsg.write(`NVRM: Xid (PCI:${busId(slot)}${instance}): ${xid}, ${blame}${text}`);
    },
  };
}
