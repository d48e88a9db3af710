export type {
  GpuOptions,
  HealthOptions,
  ListenerOptions,
  Logger,
  MetricsRegistry,
  ShutdownOptions,
} from './config/options.js';
export type { EngineCheck } from './engine/check-runner.js';
export type { EngineDescription } from './engine/dump.js';
export type { EngineWatch, WatchOptions } from './engine/monitor.js';
export { type ErrorCode, InferenceHealthError } from './errors.js';
export type { GpuErrorKind } from './gpu/app-error.js';
export type { CheckFunction, CheckHandle, CheckOptions, CheckResult } from './lifecycle/checks.js';
export type { Claim, ComponentHandle, EndpointHandle, EngineClaim, Hold } from './lifecycle/claims.js';
export type { EngineFailure, GpuFailure, HealthEvents, HealthStatus } from './lifecycle/emitter.js';
export type { GpuControl } from './lifecycle/gpu-control.js';
export type { HandlerOptions, HealthHandler } from './lifecycle/handler.js';
export type { Health } from './lifecycle/health.js';
export { startHealth } from './lifecycle/start.js';
export type { BoundListener } from './probe/server.js';
export { attachHealth } from './requests/attach.js';
export type { AttachedHealth, ShareToken } from './requests/share.js';
export type { RequestHandle } from './requests/tracker.js';
