import { describe, expect, it } from 'vitest';
import { classifyGpuError, type GpuErrorKind } from '../../lib/gpu/app-error.js';

/** Texts in the style of each engine. */
const TEXTS: readonly (readonly [GpuErrorKind, number | null, string])[] = [
  [
    'oom',
    0,
    'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79.11 GiB',
  ],
  ['oom', null, 'RuntimeError: CUDA error: out of memory'],
  [
    'oom',
    1,
    'ggml_backend_cuda_buffer_type_alloc_buffer: allocating 5120.00 MiB on device 1: cudaMalloc failed: out of memory',
  ],
  ['oom', 0, 'ggml_gallocr_reserve_n: failed to allocate CUDA0 buffer of size 1073741824'],
  ['oom', 0, 'llama_model_load: error loading model: unable to allocate CUDA0 buffer'],
  [
    'oom',
    2,
    'CUDA failure 2: out of memory ; GPU=2 ; hostname=h ; file=cuda_call.cc ; expr=cudaMalloc((void**)&p, size)',
  ],
  ['oom', null, 'CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED'],
  ['oom', null, '[E] [TRT] 2: [virtualMemoryBuffer.cpp] Error Code 2: OutOfMemory (no further information)'],
  ['oom', null, '[TensorRT-LLM][ERROR] CUDA runtime error in cudaMallocAsync: out of memory'],
  ['oom', null, 'CUDA_ERROR_OUT_OF_MEMORY'],
  ['oom', null, 'vk::Device::allocateMemory: ErrorOutOfDeviceMemory'],
  ['illegal_access', null, 'RuntimeError: CUDA error: an illegal memory access was encountered'],
  ['illegal_access', null, 'CUDA failure 700: an illegal memory access was encountered ; GPU=-1'],
  ['illegal_access', null, 'Error Code 1: Cuda Runtime (an illegal memory access was encountered)'],
  ['illegal_access', null, 'CUDA error: misaligned address'],
  ['illegal_access', null, 'cudaErrorIllegalAddress'],
  ['illegal_access', null, 'CUDA error 700 at ggml-cuda.cu:7274'],
  [
    'device_assert',
    null,
    'RuntimeError: CUDA error: device-side assert triggered\nCUDA kernel errors might be asynchronously reported',
  ],
  ['device_assert', null, 'CUDA_ERROR_ASSERT'],
  ['launch_failed', null, 'CUDA error: unspecified launch failure'],
  ['launch_failed', null, 'CUDA failure 719'],
  ['launch_failed', null, 'vk::Queue::submit: ErrorDeviceLost'],
  ['timeout', null, 'CUDA error: the launch timed out and was terminated'],
  ['ecc', null, 'RuntimeError: CUDA error: uncorrectable ECC error encountered'],
  ['ecc', null, 'CUDA_ERROR_ECC_UNCORRECTABLE'],
  ['ecc', null, 'CUDA error 214 at x.cu:1'],
  ['ecc', null, 'uncorrectable NVLink error detected during the execution'],
  [
    'lost',
    null,
    'Unable to determine the device handle for GPU0000:3B:00.0: GPU is lost. Reboot the system to recover this GPU',
  ],
  ['unavailable', null, 'RuntimeError: No CUDA GPUs are available'],
  ['unavailable', null, 'CUDA error: all CUDA-capable devices are busy or unavailable'],
  ['unavailable', null, 'Error 802: system not yet initialized'],
  ['unavailable', null, 'Failed to initialize NVML: Driver/library version mismatch'],
  ['internal', null, 'RuntimeError: CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling cublasGemmEx'],
  ['internal', null, 'cuDNN error: CUDNN_STATUS_INTERNAL_ERROR'],
  ['internal', null, 'NCCL error: unhandled cuda error, NCCL version 2.21.5'],
];

const OTHERS = [
  'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory',
  'spawn ENOMEM',
  'DefaultCPUAllocator: not enough memory: you tried to allocate 1024 bytes',
  'std::bad_alloc',
  'out of memory',
  'Assertion failed: x > 0',
  'request timed out',
  'the model "cuda-coder" does not exist',
  '',
];

describe('an error of the engine', () => {
  it.each(TEXTS)('is %s (GPU %s): %s', (kind, ordinal, text) => {
    expect(classifyGpuError(new Error(text))).toMatchObject({ kind, ordinal });
    expect(classifyGpuError(text)).toMatchObject({ kind, ordinal });
  });

  it.each(OTHERS)("is not the GPU's: %s", (text) => {
    expect(classifyGpuError(new Error(text))).toBeNull();
  });

  it('is found behind a cause, in an AggregateError, and by its code', () => {
    const inner = new Error('CUDA error: device-side assert triggered');
    expect(classifyGpuError(new Error('generation failed', { cause: inner }))?.kind).toBe('device_assert');
    expect(classifyGpuError(new AggregateError([new Error('a'), inner]))?.kind).toBe('device_assert');
    expect(
      classifyGpuError(Object.assign(new Error('x'), { code: 'CUDA_ERROR_ILLEGAL_ADDRESS' }))?.kind,
    ).toBe('illegal_access');
  });

  it('poisons the context unless memory ran out', () => {
    const poisons = Object.fromEntries(
      TEXTS.map(([kind, , text]) => [kind, classifyGpuError(text)?.poisons]),
    );
    expect(poisons).toEqual({
      oom: false,
      illegal_access: true,
      device_assert: true,
      launch_failed: true,
      timeout: true,
      ecc: true,
      lost: true,
      unavailable: false,
      internal: false,
    });
  });

  it('of any shape is answered without throwing, and soon', () => {
    const hostile = {
      get message(): string {
        throw new Error('no');
      },
    };
    const loop: { cause?: unknown } = {};
    loop.cause = loop;
    for (const value of [null, undefined, 0, Symbol('x'), () => {}, [], hostile, loop]) {
      expect(classifyGpuError(value)).toBeNull();
    }
    const long = `cuda ${'x out of '.repeat(1_000_000)}`;
    expect(classifyGpuError(long)).toBeNull();
  });

  it('gives one line of at most 200 characters', () => {
    const text = `while decoding\nCUDA error: an illegal memory access was encountered ${'y'.repeat(500)}\nmore`;
    const message = classifyGpuError(text)?.message ?? '';
    expect(message).toHaveLength(200);
    expect(message.startsWith('CUDA error: an illegal')).toBe(true);
  });
});
