export type { LoadControl, LoadReport } from './admission/load-control.js';
export type { AdmitOptions, Permit, RejectionError } from './admission/permit.js';
export type { RejectionReason } from './admission/policy.js';
export type {
  AdminOptions,
  CanaryOptions,
  EngineMonitorOptions,
  GpuOptions,
  HealthOptions,
  LimitsOptions,
  ListenerOptions,
  Logger,
  MetricsRegistry,
  PathOptions,
  ShutdownOptions,
} from './config/options.js';
export type { EngineCheck } from './engine/check-runner.js';
export type { EngineDescription } from './engine/dump.js';
export type { EngineWatch, WatchOptions } from './engine/monitor.js';
export { type ErrorCode, InferenceHealthError } from './errors.js';
export type { GpuErrorKind } from './gpu/app-error.js';
export type { RequestScope } from './lifecycle/active-scopes.js';
export type { CheckFunction, CheckHandle, CheckOptions, CheckResult } from './lifecycle/checks.js';
export type { Claim, ComponentHandle, EngineClaim, Hold } from './lifecycle/claims.js';
export type { Closable } from './lifecycle/closable.js';
export type { EngineFailure, GpuFailure, HealthEvents, HealthStatus } from './lifecycle/emitter.js';
export type { GpuControl } from './lifecycle/gpu-control.js';
export type { HandlerOptions, HealthHandler } from './lifecycle/handler.js';
export type { Health } from './lifecycle/health.js';
export type {
  CallOptions,
  EndpointHandle,
  Handler,
  ServedCall,
  ServedEndpoint,
  ServeOptions,
} from './lifecycle/serve.js';
export type {
  ShutdownContext,
  ShutdownHook,
  ShutdownHookHandle,
  ShutdownHookOptions,
} from './lifecycle/shutdown-hooks.js';
export { startHealth } from './lifecycle/start.js';
export type { BoundListener } from './probe/server.js';
export { type ChildOptions, createScope, type Scope, type ScopeOptions } from './requests/abort-scope.js';
export { attachHealth } from './requests/attach.js';
export type { CancelError } from './requests/cancel-error.js';
export type { CancelReason } from './requests/scope.js';
export type { AttachedHealth, ShareToken } from './requests/share.js';
export type { RequestHandle } from './requests/tracker.js';
