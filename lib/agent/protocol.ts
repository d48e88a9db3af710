import type { MessagePort } from 'node:worker_threads';
import type { AppErrorCounts } from '../metrics/families/self.js';
import type { MetricsInput } from '../metrics/input.js';
import type { StackRequest, StackResult } from './stack.js';

/** From the probe thread to the agent thread. */
export type AgentRequest =
  | {
      readonly kind: 'metrics';
      readonly id: number;
      readonly input: MetricsInput;
      readonly agentRestarts: number;
    }
  | { readonly kind: 'stall'; readonly id: number; readonly input: StackRequest }
  | { readonly kind: 'app-port'; readonly port: MessagePort };

/** From the agent thread to the probe thread. */
export type AgentReply =
  | {
      readonly kind: 'metrics';
      readonly id: number;
      readonly body: Uint8Array;
      readonly appErrors: AppErrorCounts;
    }
  | { readonly kind: 'stall'; readonly id: number; readonly result: StackResult }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string }
  | { readonly kind: 'notice'; readonly message: string };

/** `workerData`: what an agent thread takes over from the one that died. */
export interface AgentStart {
  readonly appErrors: AppErrorCounts;
}
