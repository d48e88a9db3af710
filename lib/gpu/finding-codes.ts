import type { GpuAction } from './actions.js';

/** One row of `docs/gpu.md`: what a finding means, when it is found, and when it ends. A test compares it with the code. */
export interface FindingRow {
  readonly code: string;
  readonly meaning: string;
  readonly severity: 'degraded' | 'unhealthy' | 'degraded or unhealthy';
  readonly action: GpuAction | 'as listed';
  readonly found: string;
  readonly ends: string;
}

const READ = 'with the reading';
const READ_GONE = 'when the driver reads otherwise';
const RESET = 'with evidence of a reset and 30 s of answers';
const WORK = 'with a new engine, or when 3 test requests that began later have succeeded';

// biome-ignore format: one finding a line
export const GPU_FINDINGS: readonly FindingRow[] = [
  { code: 'gpu.xid.<n>', meaning: 'An XID; see `docs/xid.md`.', severity: 'degraded or unhealthy', action: 'as listed', found: 'at once', ends: 'by its class, see below' },
  { code: 'gpu.sxid.<n>', meaning: 'An NVSwitch reported an SXid.', severity: 'degraded or unhealthy', action: 'as listed', found: 'at once', ends: 'after 1 h, if not fatal' },
  { code: 'gpu.recovery_required', meaning: 'The driver asks for a recovery action (field 230, Xid 154).', severity: 'degraded or unhealthy', action: 'as listed', found: READ, ends: 'when it asks for none' },
  { code: 'gpu.lost', meaning: 'The GPU fell off the bus or is lost to the driver, or the engine says so.', severity: 'unhealthy', action: 'reboot', found: 'at once', ends: 'when it has answered again for 30 s' },
  { code: 'gpu.count_shrunk', meaning: 'The driver no longer lists a GPU that it had listed.', severity: 'unhealthy', action: 'reboot', found: 'at once', ends: 'when it has answered again for 30 s' },
  { code: 'gpu.mig_gone', meaning: 'A MIG device in use no longer exists.', severity: 'unhealthy', action: 'restart', found: 'at once', ends: 'when it exists again' },
  { code: 'gpu.reset_required', meaning: 'The GPU refuses to work until it is reset.', severity: 'unhealthy', action: 'reset', found: 'at once', ends: 'when it has answered again for 30 s' },
  { code: 'gpu.unavailable', meaning: 'The driver took the GPU out of service (NVML event).', severity: 'unhealthy', action: 'reset', found: 'at once', ends: RESET },
  { code: 'gpu.fatal_poison', meaning: 'Poisoned data was consumed and not contained (NVML event).', severity: 'unhealthy', action: 'reset', found: 'at once', ends: RESET },
  { code: 'gpu.suspect', meaning: 'Three processes met application XIDs on this GPU within 24 h and on no other.', severity: 'degraded', action: 'contact', found: 'at the third', ends: 'when fewer are left in 24 h' },
  { code: 'gpu.query_failed', meaning: 'The driver answers questions about this GPU with errors.', severity: 'degraded', action: 'watch', found: 'after 3 s', ends: 'after 3 s of answers' },
  { code: 'gpu.ecc_uncorrected', meaning: 'Uncorrectable memory errors since the last reset.', severity: 'degraded', action: 'reset', found: READ, ends: READ_GONE },
  { code: 'gpu.ecc_sram_threshold', meaning: 'SRAM errors exceed the threshold for replacement.', severity: 'degraded', action: 'contact', found: READ, ends: READ_GONE },
  { code: 'gpu.remap_pending', meaning: 'A memory row waits to be replaced at the next reset.', severity: 'degraded', action: 'reset', found: READ, ends: READ_GONE },
  { code: 'gpu.remap_failed', meaning: 'A memory row could not be replaced.', severity: 'unhealthy', action: 'contact', found: READ, ends: READ_GONE },
  { code: 'gpu.retirement_pending', meaning: 'A memory page waits to be retired (before Ampere).', severity: 'degraded', action: 'reset', found: READ, ends: READ_GONE },
  { code: 'gpu.memory_nearly_full', meaning: 'More than 98 % of the memory is used.', severity: 'degraded', action: 'watch', found: 'after 30 s', ends: 'below 96 % for 30 s' },
  { code: 'gpu.memory_leak', meaning: 'Memory grows by 10 MiB a minute or more while the load does not.', severity: 'degraded', action: 'restart', found: 'after 48 to 60 min', ends: 'when it no longer grows by half of that' },
  { code: 'gpu.utilization_latched', meaning: 'Utilization stands at 95 % or more with no process and no memory in use.', severity: 'degraded', action: 'watch', found: 'after 60 s', ends: 'at once' },
  { code: 'gpu.thermal_throttling', meaning: 'Slowed down by heat in a quarter of the last 5 min.', severity: 'degraded', action: 'watch', found: 'after 4 to 5 min', ends: 'below 5 % of the time' },
  { code: 'gpu.hardware_slowdown', meaning: 'Slowed down by the hardware (power brake, overheating) in a tenth of the last minute.', severity: 'degraded', action: 'watch', found: 'within 1 min', ends: 'below 1 % of the time' },
  { code: 'gpu.power_throttling', meaning: 'Held back by power in half of the last 5 min although the limit was not drawn.', severity: 'degraded', action: 'watch', found: 'after 4 to 10 min', ends: 'below 10 % of the time' },
  { code: 'gpu.nvlink_down', meaning: 'Fewer links are up than this GPU had, than all its peers have, or than a fabric needs.', severity: 'degraded', action: 'reset', found: 'after 20 s', ends: 'after 20 s with all links' },
  { code: 'gpu.nvlink_errors', meaning: '60 link errors a minute or more over 5 min.', severity: 'degraded', action: 'contact', found: 'within 5 min', ends: 'below a tenth of that' },
  { code: 'gpu.pcie_width', meaning: 'The PCIe link has fewer lanes than device and slot allow.', severity: 'degraded', action: 'contact', found: 'after 2 min', ends: 'at once' },
  { code: 'gpu.pcie_replays', meaning: '8 PCIe replays a minute or more over 10 min.', severity: 'degraded', action: 'contact', found: 'within 10 min', ends: 'below a tenth of that' },
  { code: 'gpu.fabric_not_ready', meaning: 'The GPU is not registered with the NVSwitch fabric; CUDA cannot start on it.', severity: 'unhealthy', action: 'contact', found: 'after 30 s', ends: READ_GONE },
  { code: 'gpu.fabric_failed', meaning: 'Registration with the fabric failed.', severity: 'unhealthy', action: 'contact', found: 'after 30 s', ends: READ_GONE },
  { code: 'gpu.fabric_unhealthy', meaning: 'The fabric reports an unhealthy route or a wrong configuration.', severity: 'unhealthy', action: 'contact', found: 'after 30 s', ends: READ_GONE },
  { code: 'gpu.fabric_degraded', meaning: 'The fabric reports degraded bandwidth or a recovery under way.', severity: 'degraded', action: 'watch', found: 'after 30 s', ends: READ_GONE },
  { code: 'gpu.driver_unresponsive', meaning: 'A driver call has not returned within its deadline. Degraded if the engine still makes progress.', severity: 'unhealthy', action: 'reset', found: 'at the deadline', ends: 'when the driver answers' },
  { code: 'gpu.restart_blocked', meaning: 'Process or container cannot end while the driver does not return; see "Isolation".', severity: 'degraded', action: 'reboot', found: 'with `gpu.driver_unresponsive`', ends: 'when the driver answers' },
  { code: 'gpu.helper_failed', meaning: 'The helper process of `gpu.isolation: process` ended or cannot be started.', severity: 'degraded', action: 'watch', found: 'at once', ends: 'when it runs again' },
  { code: 'gpu.driver_mismatch', meaning: 'Driver and library versions differ: what runs goes on, a restart will fail. Unhealthy where a GPU is `required` and there is none for that.', severity: 'degraded or unhealthy', action: 'reboot', found: READ, ends: READ_GONE },
  { code: 'gpu.access_lost', meaning: 'The container lost access to its device nodes: contexts go on, new ones fail. Unhealthy where a GPU is `required` and there is none for that.', severity: 'degraded or unhealthy', action: 'restart', found: 'at once; from errors alone after 2 s', ends: READ_GONE },
  { code: 'gpu.driver_unloaded', meaning: 'The driver was there and is gone.', severity: 'unhealthy', action: 'contact', found: READ, ends: 'when it is back' },
  { code: 'gpu.none', meaning: 'No GPU although `gpu.mode` is `required` (unhealthy), or NVML could not be initialized.', severity: 'degraded or unhealthy', action: 'contact', found: READ, ends: 'when there is one' },
  { code: 'gpu.context_poisoned', meaning: 'The engine reported an error after which every CUDA call of its process fails.', severity: 'unhealthy', action: 'restart', found: 'with the report', ends: WORK },
  { code: 'gpu.oom', meaning: 'The engine ran out of GPU memory; unhealthy at the third time within a minute.', severity: 'degraded or unhealthy', action: 'restart', found: 'with the report', ends: 'after 1 min, if it was often only with memory free again' },
  { code: 'gpu.library_error', meaning: 'cuBLAS, cuDNN or NCCL failed without a cause; at the third within a minute the context counts as poisoned.', severity: 'degraded', action: 'watch', found: 'with the report', ends: 'after 1 min' },
  { code: 'gpu.engine_without_gpu', meaning: 'The engine found no usable GPU.', severity: 'degraded', action: 'restart', found: 'with the report', ends: WORK },
];
