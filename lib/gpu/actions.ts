/** What cures a fault, in rising order of what it costs. `contact`: a person has to look at the machine. */
export type GpuAction = 'ignore' | 'watch' | 'restart' | 'reset' | 'reboot' | 'contact';

export type GpuSeverity = 'degraded' | 'unhealthy';

export interface ActionRow {
  readonly action: GpuAction;
  readonly meaning: string;
  /** True where ending this process and starting it again cures the fault. */
  readonly restartHelps: boolean;
}

export const ACTIONS: readonly ActionRow[] = [
  { action: 'ignore', meaning: 'Nothing; it is counted.', restartHelps: false },
  { action: 'watch', meaning: 'Nothing yet; look closer if it repeats.', restartHelps: false },
  { action: 'restart', meaning: 'End the process that met it and start it again.', restartHelps: true },
  { action: 'reset', meaning: 'Drain the GPU and reset it (`nvidia-smi -r`).', restartHelps: false },
  { action: 'reboot', meaning: 'Drain the node and reboot it.', restartHelps: false },
  { action: 'contact', meaning: 'Have the machine looked at or replaced.', restartHelps: false },
];

/** What the driver itself asks for: NVML field 230, and the `to` value of Xid 154. */
export interface RecoveryAction {
  readonly value: number;
  readonly name: string;
  readonly action: GpuAction;
  readonly severity: GpuSeverity;
}

export const RECOVERY_ACTIONS: readonly RecoveryAction[] = [
  { value: 0, name: 'none', action: 'ignore', severity: 'degraded' },
  { value: 1, name: 'GPU reset', action: 'reset', severity: 'unhealthy' },
  { value: 2, name: 'node reboot', action: 'reboot', severity: 'unhealthy' },
  // Only peer-to-peer traffic has to end; work on this GPU alone goes on.
  { value: 3, name: 'drain peer-to-peer', action: 'restart', severity: 'degraded' },
  { value: 4, name: 'drain and reset', action: 'reset', severity: 'unhealthy' },
  { value: 5, name: 'recover the IMEX domain', action: 'contact', severity: 'unhealthy' },
];

/** Null for "none". A value newer than this table still asks for something. */
export function recoveryAction(value: number): RecoveryAction | null {
  if (value === 0) return null;
  return (
    RECOVERY_ACTIONS[value] ?? {
      value,
      name: `unknown action ${value}`,
      action: 'contact',
      severity: 'unhealthy',
    }
  );
}
