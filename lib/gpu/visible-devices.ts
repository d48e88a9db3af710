/** Where the process was told which GPUs to use; undefined = not set. */
export interface VisibleSources {
  /** Option `gpu.devices`: indices, UUIDs (or unambiguous beginnings), MIG UUIDs. */
  readonly devices?: readonly (number | string)[] | undefined;
  readonly cudaVisibleDevices?: string | undefined;
  readonly cudaDeviceOrder?: string | undefined;
  readonly nvidiaVisibleDevices?: string | undefined;
}

export interface InventoryDevice {
  readonly uuid: string;
  /** In PCI order, as NVML enumerates. */
  readonly index: number;
  readonly name: string | null;
  readonly isMig: boolean;
  readonly parentUuid: string | null;
}

export interface Selection {
  readonly source: 'gpu.devices' | 'CUDA_VISIBLE_DEVICES' | 'NVIDIA_VISIBLE_DEVICES' | 'all';
  /** Devices whose faults concern this process: the selected ones, and the GPUs that selected MIG devices are part of. */
  readonly used: ReadonlySet<string>;
  /** The selected devices in the order of the CUDA ordinals. */
  readonly ordinals: readonly string[];
  readonly warnings: readonly string[];
}

/** True where the process was told to use no GPU at all, whatever the host has. */
export function hidesAll({ devices, cudaVisibleDevices, nvidiaVisibleDevices }: VisibleSources): boolean {
  if (devices !== undefined) return devices.length === 0;
  if (cudaVisibleDevices !== undefined) return /^\s*(?:-1\s*(?:,|$)|$)/.test(cudaVisibleDevices);
  return nvidiaVisibleDevices === 'none';
}

/** Which GPUs this process uses (first source that is set decides). */
export function selectDevices(sources: VisibleSources, inventory: readonly InventoryDevice[]): Selection {
  const { devices, cudaVisibleDevices, nvidiaVisibleDevices } = sources;
  if (devices !== undefined) return fromOption(devices, inventory);
  if (cudaVisibleDevices !== undefined) {
    return fromCuda(cudaVisibleDevices, sources.cudaDeviceOrder, inventory);
  }
  return fromRuntime(nvidiaVisibleDevices, inventory);
}

function fromOption(devices: readonly (number | string)[], inventory: readonly InventoryDevice[]): Selection {
  const warnings: string[] = [];
  const chosen: InventoryDevice[] = [];
  for (const entry of devices) {
    const device = find(String(entry), inventory);
    if (device === null) warnings.push(`gpu.devices: no GPU ${JSON.stringify(entry)}`);
    else chosen.push(device);
  }
  return selection('gpu.devices', chosen, inventory, warnings);
}

/**
 * CUDA's own rules: the first entry that names no device ends the list, and a variable that is set but empty hides every
 * GPU (people use it to force the CPU). Ordinals follow CUDA's order, which is NVML's unless GPUs of different models are
 * mixed and CUDA_DEVICE_ORDER is not PCI_BUS_ID.
 */
function fromCuda(
  value: string,
  order: string | undefined,
  inventory: readonly InventoryDevice[],
): Selection {
  const warnings: string[] = [];
  const chosen: InventoryDevice[] = [];
  let byIndex = false;
  for (const entry of value.split(',').map((part) => part.trim())) {
    const device = find(entry, inventory);
    if (device === null) {
      if (entry !== '' && entry !== '-1') {
        warnings.push(`CUDA_VISIBLE_DEVICES: no GPU ${JSON.stringify(entry)}; CUDA ignores what follows it`);
      }
      break;
    }
    byIndex ||= /^\d+$/.test(entry);
    chosen.push(device);
  }
  const models = new Set(gpusOf(inventory).map(({ name }) => name));
  if (byIndex && models.size > 1 && order !== 'PCI_BUS_ID') {
    warnings.push(
      'CUDA_VISIBLE_DEVICES names GPUs of different models by index: set CUDA_DEVICE_ORDER=PCI_BUS_ID or use UUIDs',
    );
  }
  return selection('CUDA_VISIBLE_DEVICES', chosen, inventory, warnings);
}

/**
 * The container runtime has already taken the other GPUs away, so its indices (the host's) may mean nothing in here:
 * a list as long as the inventory, or an index beyond it, means all. `void` and the empty value are what the runtime
 * sets when it injects devices by another way (CDI), and tell nothing.
 */
function fromRuntime(value: string | undefined, inventory: readonly InventoryDevice[]): Selection {
  const source = 'NVIDIA_VISIBLE_DEVICES';
  if (value === undefined || value === '' || value === 'void') return everything('all', inventory);
  if (value === 'all') return everything(source, inventory);
  if (value === 'none') return selection(source, [], inventory, []);
  const entries = value.split(',').map((part) => part.trim());
  const chosen = entries.map((entry) => find(entry, inventory));
  const found = chosen.filter((device) => device !== null);
  if (found.length < entries.length || entries.length === gpusOf(inventory).length) {
    return everything(source, inventory);
  }
  return selection(source, found, inventory, []);
}

function everything(source: Selection['source'], inventory: readonly InventoryDevice[]): Selection {
  const gpus = gpusOf(inventory);
  const used = new Set(inventory.map(({ uuid }) => uuid));
  return { source, used, ordinals: gpus.map(({ uuid }) => uuid), warnings: [] };
}

function selection(
  source: Selection['source'],
  chosen: readonly InventoryDevice[],
  inventory: readonly InventoryDevice[],
  warnings: readonly string[],
): Selection {
  const used = new Set<string>();
  for (const device of chosen) {
    used.add(device.uuid);
    if (device.parentUuid !== null) used.add(device.parentUuid);
    // CUDA gives a process that names a partitioned GPU its first MIG device only.
    if (!device.isMig) {
      const first = inventory.find(({ parentUuid }) => parentUuid === device.uuid);
      if (first !== undefined) used.add(first.uuid);
    }
  }
  return { source, used, ordinals: chosen.map(({ uuid }) => uuid), warnings };
}

function gpusOf(inventory: readonly InventoryDevice[]): readonly InventoryDevice[] {
  return inventory.filter(({ isMig }) => !isMig).sort((a, b) => a.index - b.index);
}

/** `0`, `GPU-<uuid or its beginning>`, `MIG-<uuid>`, `MIG-GPU-<uuid>/<gi>/<ci>`, or the runtime's `<gpu>:<mig>`. */
function find(entry: string, inventory: readonly InventoryDevice[]): InventoryDevice | null {
  const gpus = gpusOf(inventory);
  if (/^\d+$/.test(entry)) return gpus.find(({ index }) => index === Number(entry)) ?? null;
  const pair = /^(\d+):(\d+)$/.exec(entry);
  if (pair !== null) {
    const parent = gpus.find(({ index }) => index === Number(pair[1]));
    if (parent === undefined) return null;
    return inventory.filter(({ parentUuid }) => parentUuid === parent.uuid)[Number(pair[2])] ?? null;
  }
  if (/^MIG-GPU-/i.test(entry)) {
    // The form before R470 names the parent; the instance ids are not part of what NVML enumerates here.
    const parent = entry.slice('MIG-'.length).split('/')[0] ?? '';
    return inventory.find(({ uuid }) => same(uuid, entry)) ?? unique(parent, gpus);
  }
  if (/^GPU-/i.test(entry)) return unique(entry, gpus);
  if (/^MIG-/i.test(entry))
    return unique(
      entry,
      inventory.filter(({ isMig }) => isMig),
    );
  return null;
}

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** The one device whose UUID begins so; CUDA refuses a beginning that fits several. */
function unique(beginning: string, devices: readonly InventoryDevice[]): InventoryDevice | null {
  const found = devices.filter(({ uuid }) => uuid.toLowerCase().startsWith(beginning.toLowerCase()));
  return found.length === 1 ? (found[0] ?? null) : null;
}
