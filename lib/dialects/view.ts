import type { GpuReport } from '../status/types.js';
import type { Verdict } from '../status/verdict.js';
import type { FrontendHealthMode, FrontendStage } from './dynamo-frontend.js';
import type { LoadView } from './load-document.js';
import type { Template } from './template.js';

export type Details = 'documented' | 'full';

/** What the application and its build are; fixed at start. Keys of `BuildInfo` are those of BitNet.rs's document. */
export interface BuildInfo {
  readonly version: string;
  readonly git_sha: string;
  readonly git_branch: string;
  readonly build_timestamp: string;
  /** Node's version: the runtime stands where the original has its compiler. */
  readonly rustc_version: string;
  /** Platform and architecture, as `linux-x64`. */
  readonly cargo_target: string;
  /** `release` when NODE_ENV is `production`, else NODE_ENV, else `development`. */
  readonly cargo_profile: string;
  readonly inference_health_version: string;
}

/** A stall of the main thread as the agent thread saw it. */
export interface StallView {
  readonly atUnixMs: number;
  readonly busyMs: number;
  readonly kind: string;
  readonly frames: readonly {
    readonly functionName: string;
    readonly url: string;
    readonly line: number;
    readonly column: number;
  }[];
  readonly thread: { readonly state: string; readonly wchan: string | null; readonly cpuMs: number } | null;
}

/** Numbers of the monitored main loop; NaN where unknown. */
export interface LoopView {
  readonly monitored: boolean;
  readonly longestStallMs: number;
  readonly stallCount: number;
  readonly stallTotalMs: number;
  readonly utilization: number;
  readonly lastStall: StallView | null;
}

/** What a frontend says of its workers, as rendered by the thread that sees them. */
export interface FrontendView {
  readonly mode: FrontendHealthMode;
  readonly stage: FrontendStage;
  readonly status: 200 | 503;
  readonly body: Uint8Array;
}

/** Everything that a dialect may render. `host` is a copy of the native section `host`. */
export interface View {
  readonly verdict: Verdict;
  readonly startedAtMs: number;
  /** Wall clock minus monotonic clock, for times rendered on change. */
  readonly unixOffsetMs: number;
  readonly build: BuildInfo;
  readonly host: Float64Array;
  readonly loop: LoopView;
  /** Null where no GPU is looked at. */
  readonly gpu: GpuReport | null;
  readonly degradedOk: boolean;
  readonly native: boolean;
  /** Null or absent while there is nothing to show. */
  readonly load?: LoadView | null;
  /** Null or absent until a frontend runs in this process. */
  readonly frontend?: FrontendView | null;
}

export interface Reply {
  readonly statusLine: string;
  readonly contentType: string | null;
  readonly body: Template;
}

/**
 * One path of a dialect. `verdict` routes are rendered when the verdict changes, `document` routes also with every host
 * sample. `verbose` serves the query `?verbose`.
 */
export interface Route {
  readonly dependsOn: 'verdict' | 'document';
  render(view: View, details: Details): Reply;
  verbose?(view: View, details: Details): Reply;
  /** For clients that accept `application/json`, where that is not what `render` gives. */
  json?(view: View, details: Details): Reply;
}

export type Routes = { readonly [path: string]: Route };
