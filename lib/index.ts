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
export type { FrontendHealthMode } from './dialects/dynamo-frontend.js';
export type { DialectName } from './dialects/index.js';
export type { Details, StallView } from './dialects/view.js';
export type { DiscoveryOptions, EtcdOptions } from './discovery/options.js';
export type { EngineCheck } from './engine/check-runner.js';
export type { EngineDescription } from './engine/dump.js';
export type { EngineWatch, WatchOptions } from './engine/monitor.js';
export type { DeadCause, StallCause } from './engine/policy-types.js';
export { type ErrorCode, InferenceHealthError } from './errors.js';
export type { EventsView, IgnoredReason, NatsOptions } from './events/options.js';
export type { AdaptiveLimitOptions } from './fleet/admission/adaptive-limit.js';
export type { PoolAdmissionOptions, PriorityClass } from './fleet/admission/admission.js';
export type { CodelOptions } from './fleet/admission/codel.js';
export type { Thresholds } from './fleet/admission/thresholds.js';
export type { MigrationLimits } from './fleet/migrator-types.js';
export type { Incarnation, WorkerId, WorkerRef } from './fleet/types.js';
export type { WorkerCondition } from './fleet/worker-health.js';
export { serveWorker, startFrontend } from './fleet-entry.js';
export type { FrontendAdmission } from './frontend/admission-options.js';
export type { MemberView } from './frontend/member-view.js';
export type { DiscoveryStatus, Frontend, FrontendOptions } from './frontend/options.js';
export type { FrontendPaths } from './frontend/paths.js';
export type { WorkerProblem } from './frontend/problem.js';
export type { GpuAction, GpuSeverity } from './gpu/actions.js';
export type { GpuErrorKind } from './gpu/app-error.js';
export type { GpuFinding } from './gpu/finding.js';
export type { XidOverride } from './gpu/policy-options.js';
export type { RequestScope } from './lifecycle/active-scopes.js';
export type { CheckFunction, CheckHandle, CheckOptions, CheckResult } from './lifecycle/checks.js';
export type { Claim, ComponentHandle, EndpointReadiness, EngineClaim, Hold } from './lifecycle/claims.js';
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
export { type Downstream, downstream } from './requests/downstream.js';
export type { CancelCode, CancelReason, DisconnectPolicy, ScopePhase } from './requests/scope.js';
export type { AttachedHealth, ShareToken } from './requests/share.js';
export type { RequestHandle } from './requests/tracker.js';
export type { Status } from './status/types.js';
export type { Reason } from './status/verdict.js';
export type { ClientTls, ServerTls } from './wire/tls-files.js';
export type { ChatMessage } from './worker/chat.js';
export type { Engine, EngineFigures, GenerateRequest, PromptInfo, TokenFrame } from './worker/engine.js';
export type { Worker, WorkerOptions } from './worker/options.js';
export type { SamplingOption, SamplingOptions } from './worker/sampling.js';
