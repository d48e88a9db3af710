/** What an error of the engine says about the GPU. */
export type GpuErrorKind =
  /** Device memory exhausted. The context survives; no XID is raised. */
  | 'oom'
  /** The context is gone: every later CUDA call of the process fails. */
  | 'illegal_access'
  | 'device_assert'
  | 'launch_failed'
  | 'timeout'
  /** Uncorrectable memory error, or a hardware error met over NVLink. */
  | 'ecc'
  /** The device is lost or fell off the bus. */
  | 'lost'
  /** No usable device: none visible, busy, fabric not ready, driver mismatch. */
  | 'unavailable'
  /** An error inside cuBLAS, cuDNN or NCCL that names no cause. */
  | 'internal';

export interface GpuError {
  readonly kind: GpuErrorKind;
  /** The context is unusable and only a restart of the process that owns it helps. */
  readonly poisons: boolean;
  /** CUDA ordinal, if the text names one. */
  readonly ordinal: number | null;
  /** First line of the text that decided, at most 200 characters. */
  readonly message: string;
}

const POISONS: ReadonlySet<GpuErrorKind> = new Set([
  'illegal_access',
  'device_assert',
  'launch_failed',
  'timeout',
  'ecc',
  'lost',
]);

/** CUDA runtime codes (`driver_types.h`) as llama.cpp, ONNX Runtime and TensorRT print them: "CUDA error 700". */
const CODES: Readonly<Record<number, GpuErrorKind>> = {
  2: 'oom',
  35: 'unavailable',
  46: 'unavailable',
  100: 'unavailable',
  101: 'unavailable',
  214: 'ecc',
  220: 'ecc',
  700: 'illegal_access',
  702: 'timeout',
  710: 'device_assert',
  714: 'launch_failed',
  715: 'illegal_access',
  716: 'illegal_access',
  717: 'illegal_access',
  718: 'illegal_access',
  719: 'launch_failed',
  721: 'ecc',
  802: 'unavailable',
  803: 'unavailable',
};

/** First match wins: what names a hardware fault before what names a symptom. */
const PATTERNS: readonly (readonly [GpuErrorKind, RegExp])[] = [
  [
    'ecc',
    /uncorrectable (?:ecc|nvlink) error|cuda_?error_?(?:ecc_?uncorrectable|nvlink_?uncorrectable|contained)/i,
  ],
  ['lost', /\bgpu is lost\b|fallen off the bus|nvml_error_gpu_is_lost/i],
  ['device_assert', /device-side assert|cuda_?error_?assert\b/i],
  [
    'illegal_access',
    /illegal memory access|illegal (?:address|instruction) was encountered|misaligned address|invalid program counter|operation not supported on (?:global|shared)\/|cuda_?error_?(?:illegal_?(?:address|instruction)|misaligned_?address|invalid_?pc|invalid_?address_?space)/i,
  ],
  ['timeout', /the launch timed out|cuda_?error_?launch_?timeout/i],
  [
    'launch_failed',
    /unspecified launch failure|hardware stack error|cuda_?error_?(?:launch_?fail(?:ure|ed)|hardware_?stack_?error)|errordevicelost|vk_error_device_lost/i,
  ],
  [
    'oom',
    /cuda[^\n]{0,80}out of memory|cuda_?error_?(?:out_?of_?memory|memory_?allocation)|torch\.(?:cuda\.)?outofmemoryerror|error code 2: outofmemory|cuda ?malloc[^\n]{0,40}failed|(?:cublas|cudnn)_status_alloc_failed|failed to allocate cuda\d* buffer|unable to allocate cuda\d* buffer|requested amount of gpu memory|gpu[^\n]{0,80}out of memory|erroroutofdevicememory|vk_error_out_of_device_memory/i,
  ],
  [
    'unavailable',
    /no cuda gpus are available|no cuda-capable device|devices are busy or unavailable|system not yet initialized|driver version is insufficient|driver\/library version mismatch|invalid device ordinal|cuda driver initialization failed|cuda unknown error|cuda_?error_?(?:no_?device|devices?_?unavailable|system_?(?:not_?ready|driver_?mismatch)|insufficient_?driver|invalid_?device)/i,
  ],
  [
    'internal',
    /(?:cublas|cudnn|cufft|cusparse|cusolver)_status_(?:internal_error|execution_failed|not_initialized|mapping_error)|nccl[^\n]{0,40}(?:unhandled cuda error|internal error|system error|timeout|timed out)|cuda (?:runtime |driver )?error|cuda failure/i,
  ],
];

const CODE = /\bcuda (?:runtime )?(?:error|failure):? ?\(?(\d{1,3})\b/i;
const ORDINAL =
  /\bgpu ?[=:]? ?(\d{1,2})\b|\bon device (\d{1,2})\b|\bcuda:?(\d{1,2})\b|\bcurrent device: (\d{1,2})\b/i;

/** Texts beyond this are cut: the cause stands in the first lines, and an engine may append a tensor. */
const MAX_TEXT = 8192;
const MAX_CAUSES = 8;

/**
 * Recognises the GPU errors of PyTorch, llama.cpp, ONNX Runtime, TensorRT and plain CUDA by their text, also behind
 * `cause` and in an `AggregateError`. Null for everything else: "heap out of memory" is not ours.
 */
export function classifyGpuError(error: unknown): GpuError | null {
  const queue: unknown[] = [error];
  for (let seen = 0; seen < MAX_CAUSES && queue.length > 0; seen += 1) {
    const current = queue.shift();
    const text = textOf(current);
    const kind = kindOf(text);
    if (kind !== null) {
      const message = (text.split('\n').find((line) => kindOf(line) !== null) ?? text).trim().slice(0, 200);
      return { kind, poisons: POISONS.has(kind), ordinal: ordinalOf(text), message };
    }
    queue.push(...causesOf(current));
  }
  return null;
}

function kindOf(text: string): GpuErrorKind | null {
  for (const [kind, pattern] of PATTERNS) {
    // A bare "CUDA error 700" is decided by its number before the catch-all of the last row.
    if (kind === 'internal') {
      const code = CODES[Number(CODE.exec(text)?.[1] ?? Number.NaN)];
      if (code !== undefined) return code;
    }
    if (pattern.test(text)) return kind;
  }
  return null;
}

function ordinalOf(text: string): number | null {
  const match = ORDINAL.exec(text);
  const digits = match?.slice(1).find((group) => group !== undefined);
  return digits === undefined ? null : Number(digits);
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value.slice(0, MAX_TEXT);
  if (typeof value !== 'object' || value === null) return '';
  return ['name', 'code', 'message']
    .map((key) => property(value, key))
    .filter((part) => typeof part === 'string')
    .join(' ')
    .slice(0, MAX_TEXT);
}

function causesOf(value: unknown): readonly unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  const errors = property(value, 'errors');
  return [property(value, 'cause'), ...(Array.isArray(errors) ? errors.slice(0, MAX_CAUSES) : [])].filter(
    (inner) => inner !== undefined && inner !== null,
  );
}

/** An application's error may have getters that throw. */
function property(value: object, key: string): unknown {
  try {
    return (value as Readonly<Record<string, unknown>>)[key];
  } catch {
    return undefined;
  }
}
