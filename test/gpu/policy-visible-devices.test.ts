import { describe, expect, it } from 'vitest';
import {
  hidesAll,
  type InventoryDevice,
  selectDevices,
  type VisibleSources,
} from '../../lib/gpu/visible-devices.js';

const gpu = (index: number, uuid: string, name = 'NVIDIA H100'): InventoryDevice => ({
  uuid,
  index,
  name,
  isMig: false,
  parentUuid: null,
});
const mig = (uuid: string, parentUuid: string, index: number): InventoryDevice => ({
  uuid,
  index,
  name: 'NVIDIA H100 MIG 1g.10gb',
  isMig: true,
  parentUuid,
});
const THREE = [gpu(0, 'GPU-aaa1'), gpu(1, 'GPU-aab2'), gpu(2, 'GPU-ccc3')];
const PARTED = [
  gpu(0, 'GPU-aaa1'),
  mig('MIG-1', 'GPU-aaa1', 0),
  mig('MIG-2', 'GPU-aaa1', 1),
  gpu(1, 'GPU-bbb2'),
];

const used = (sources: VisibleSources, inventory = THREE): readonly string[] => [
  ...selectDevices(sources, inventory).used,
];
const ALL = ['GPU-aaa1', 'GPU-aab2', 'GPU-ccc3'];

describe('the GPUs that a process uses', () => {
  it.each<readonly [string, VisibleSources, readonly string[]]>([
    ['all without any word', {}, ALL],
    ['option by index and UUID', { devices: [2, 'GPU-aaa1'] }, ['GPU-ccc3', 'GPU-aaa1']],
    ['option over the environment', { devices: [0], cudaVisibleDevices: '1' }, ['GPU-aaa1']],
    ['CUDA indices', { cudaVisibleDevices: '2,0' }, ['GPU-ccc3', 'GPU-aaa1']],
    ['CUDA UUID', { cudaVisibleDevices: 'GPU-aab2' }, ['GPU-aab2']],
    ['CUDA beginning of a UUID', { cudaVisibleDevices: 'GPU-c' }, ['GPU-ccc3']],
    ['CUDA ambiguous beginning', { cudaVisibleDevices: 'GPU-aa' }, []],
    ['CUDA list ends at the first invalid entry', { cudaVisibleDevices: '0,7,1' }, ['GPU-aaa1']],
    ['CUDA list ends at −1', { cudaVisibleDevices: '1,-1,2' }, ['GPU-aab2']],
    ['CUDA empty hides all', { cudaVisibleDevices: '' }, []],
    ['CUDA over the runtime', { cudaVisibleDevices: '1', nvidiaVisibleDevices: 'all' }, ['GPU-aab2']],
    ['runtime all', { nvidiaVisibleDevices: 'all' }, ALL],
    ['runtime none', { nvidiaVisibleDevices: 'none' }, []],
    ['runtime void, as CDI sets it', { nvidiaVisibleDevices: 'void' }, ALL],
    ['runtime indices that this container does not have', { nvidiaVisibleDevices: '5,6,7' }, ALL],
    ['runtime indices beyond the inventory', { nvidiaVisibleDevices: '1,7' }, ALL],
    ['runtime index on the host itself', { nvidiaVisibleDevices: '1' }, ['GPU-aab2']],
    ['runtime UUID', { nvidiaVisibleDevices: 'GPU-ccc3' }, ['GPU-ccc3']],
  ])('%s', (_name, sources, expected) => {
    expect(used(sources)).toEqual(expected);
  });

  it('include the GPU below a MIG device, and the first MIG device of a GPU', () => {
    expect(used({ cudaVisibleDevices: 'MIG-2' }, PARTED)).toEqual(['MIG-2', 'GPU-aaa1']);
    expect(used({ cudaVisibleDevices: '0' }, PARTED)).toEqual(['GPU-aaa1', 'MIG-1']);
    expect(used({ nvidiaVisibleDevices: '0:1' }, PARTED)).toEqual(['MIG-2', 'GPU-aaa1']);
    expect(used({ cudaVisibleDevices: 'MIG-GPU-bbb2/1/0' }, PARTED)).toEqual(['GPU-bbb2']);
  });

  it('are warned about where a name fits nothing or an index may mean another GPU', () => {
    expect(selectDevices({ devices: ['GPU-zzz'] }, THREE).warnings).toEqual([
      'gpu.devices: no GPU "GPU-zzz"',
    ]);
    expect(selectDevices({ cudaVisibleDevices: '0,9' }, THREE).warnings[0]).toContain('"9"');
    const mixed = [gpu(0, 'GPU-a', 'NVIDIA T4'), gpu(1, 'GPU-b', 'NVIDIA H100')];
    expect(selectDevices({ cudaVisibleDevices: '0' }, mixed).warnings[0]).toContain('CUDA_DEVICE_ORDER');
    expect(selectDevices({ cudaVisibleDevices: '0', cudaDeviceOrder: 'PCI_BUS_ID' }, mixed).warnings).toEqual(
      [],
    );
  });

  it('are none by name where the process renounces them all', () => {
    expect([{ devices: [] }, { cudaVisibleDevices: '' }, { cudaVisibleDevices: '-1' }].every(hidesAll)).toBe(
      true,
    );
    expect([{}, { cudaVisibleDevices: '0' }, { nvidiaVisibleDevices: 'void' }].some(hidesAll)).toBe(false);
  });
});
