import { parentPort, workerData } from 'node:worker_threads';
import { createAppStore } from '../metrics/app-store.js';
import type { MetricsInput } from '../metrics/input.js';
import { merge } from '../metrics/merge.js';
import type { AgentReply, AgentRequest, AgentStart } from './protocol.js';
import type { StackRequest } from './stack.js';

/** Entry of the agent thread: whatever is heavy or may block, for the probe thread. */

function post(reply: AgentReply, transfer: readonly ArrayBuffer[] = []): void {
  parentPort?.postMessage(reply, transfer);
}

const app = createAppStore({
  errors: { ...(workerData as AgentStart).appErrors },
  onMalformed: (message) =>
    post({ kind: 'notice', message: `metrics of the application left out: ${message}` }),
});
const encoder = new TextEncoder();

async function answerMetrics(id: number, input: MetricsInput, agentRestarts: number): Promise<void> {
  // Loaded here and not at the top: prom-client costs 25 ms, and a stall capture must not wait for it.
  const { renderText } = await import('../metrics/render.js');
  const merged = app.take(input.nowMs);
  const ours = await renderText(input, { agentRestarts, app: merged.self });
  // Only there do names of ours have another prefix than the one that is taken as a whole.
  const isShared = input.dynamo != null && merged.text !== '';
  const body = encoder.encode(isShared ? merge(ours, merged.text).text : ours + merged.text);
  post({ kind: 'metrics', id, body, appErrors: app.errors }, [body.buffer]);
}

async function answerStall(id: number, input: StackRequest): Promise<void> {
  const { captureMainStack } = await import('./stack.js');
  post({ kind: 'stall', id, result: await captureMainStack(input) });
}

async function answer(request: Exclude<AgentRequest, { kind: 'app-port' }>): Promise<void> {
  try {
    if (request.kind === 'metrics') await answerMetrics(request.id, request.input, request.agentRestarts);
    else await answerStall(request.id, request.input);
  } catch (error) {
    post({ kind: 'failed', id: request.id, message: error instanceof Error ? error.message : String(error) });
  }
}

parentPort?.on('message', (request: AgentRequest) => {
  if (request.kind === 'app-port') app.attach(request.port);
  else void answer(request);
});
