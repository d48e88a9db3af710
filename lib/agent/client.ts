import { join } from 'node:path';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { InferenceHealthError } from '../errors.js';
import type { MetricsInput } from '../metrics/input.js';
import { createBackOff } from './back-off.js';
import type { AgentReply, AgentRequest, AgentStart } from './protocol.js';
import { createRequests, type Question } from './requests.js';
import type { StackRequest, StackResult } from './stack.js';

export interface AgentOptions {
  /** How long a request may take, start of the thread included, milliseconds. Default 2000. */
  readonly deadlineMs?: number;
  /**
   * Called with the far end of the port for the application's metrics whenever an agent thread has started. It belongs to
   * the main thread's `AppMetrics.attach`. Without it no metrics of the application are merged.
   */
  readonly onAppPort?: (port: MessagePort) => void;
  /** Told when the thread died, when a request failed, and why metrics of the application were left out. */
  readonly onNotice?: (message: string) => void;
  /** CommonJS entry of the thread; for tests. */
  readonly entry?: string;
}

/** The probe thread's side of the agent thread. */
export interface Agent {
  /**
   * The text of `/metrics` as UTF-8 bytes: rendered and encoded on the agent thread, moved here without a copy. Calls that
   * come while one is under way, or within 250 ms of its end, share its answer: the bytes must not be changed. Rejects when
   * the deadline passes or the agent thread fails twice; the next call then tries again.
   * @param collect takes the input; called at once, and only if no answer can be shared.
   * @param kind answers are shared among calls of the same kind.
   */
  renderMetrics(collect: () => MetricsInput, kind?: string): Promise<Uint8Array>;
  /** The main thread's stack; calls that come while one is under way share its answer. Rejects as `renderMetrics` does. */
  captureStall(input: StackRequest): Promise<StackResult>;
  /** How often the thread died and was started again. */
  restarts(): number;
  /** Ends the thread; what is under way rejects with `ERR_CLOSED`. Idempotent. */
  close(): Promise<void>;
}

/** Consecutive missed deadlines after which the thread counts as stuck and is replaced. */
const STUCK_AFTER_MISSED = 2;
/** Rendering costs a millisecond or more: one client on one connection asked for 364 a second, 39 % of a core. */
const REUSE_MS = 250;

/**
 * Starts nothing yet: the thread starts with the first request, which works while the main thread is blocked. It keeps
 * neither this thread nor the process alive. Use it from one thread only.
 */
export function createAgent(options: AgentOptions = {}): Agent {
  const deadlineMs = options.deadlineMs ?? 2000;
  const entry = options.entry ?? join(__dirname, 'entry.js');
  const requests = createRequests();
  const backOff = createBackOff();
  let worker: Worker | null = null;
  let startTimer: NodeJS.Timeout | null = null;
  let starts = 0;
  let missed = 0;
  let isClosed = false;
  let start: AgentStart = { appErrors: { malformed: 0, registry: 0, timeout: 0, too_large: 0 } };
  const scrapes = new Map<string, Promise<Uint8Array>>();
  let capture: Promise<StackResult> | null = null;

  const restarts = () => Math.max(0, starts - 1);

  function startWorker(): void {
    startTimer = null;
    if (isClosed || worker !== null) return;
    starts += 1;
    let started: Worker;
    try {
      // What the application preloads is not for this thread; NODE_OPTIONS would do it in spite of an empty execArgv.
      started = new Worker(entry, {
        execArgv: [],
        env: {},
        workerData: start,
        name: 'inference-health-agent',
      });
    } catch (error) {
      onDeath(null, error instanceof Error ? error.message : String(error));
      return;
    }
    worker = started;
    let cause = '';
    started.on('message', (reply: AgentReply) => onReply(started, reply));
    started.on('error', (error: unknown) => {
      cause = error instanceof Error ? error.message : String(error);
    });
    started.on('exit', (code) => onDeath(started, cause || `exit code ${code}`));
    started.unref();
    if (options.onAppPort !== undefined) {
      const { port1, port2 } = new MessageChannel();
      post(started, { kind: 'app-port', port: port1 }, [port1]);
      options.onAppPort(port2);
    }
    for (const question of requests.unsent()) ask(started, question);
  }

  function post(to: Worker, request: AgentRequest, transfer: readonly MessagePort[] = []): void {
    to.postMessage(request, transfer);
  }

  function ask(to: Worker, question: Question): void {
    question.attempts += 1;
    question.isSent = true;
    post(to, question.request(restarts()));
  }

  function onReply(from: Worker, reply: AgentReply): void {
    if (from !== worker) return;
    if (reply.kind === 'notice') {
      options.onNotice?.(reply.message);
      return;
    }
    missed = 0;
    backOff.succeeded();
    if (reply.kind === 'metrics') start = { appErrors: reply.appErrors };
    if (reply.kind === 'failed') options.onNotice?.(`agent thread: ${reply.message}`);
    requests.settle(reply);
  }

  function onDeath(dead: Worker | null, cause: string): void {
    if (dead !== worker || isClosed) return;
    worker = null;
    missed = 0;
    backOff.failed(performance.now());
    options.onNotice?.(`agent thread died: ${cause}`);
    requests.onDeath(new Error(`the agent thread died: ${cause}`));
    if (requests.unsent().length > 0) scheduleStart();
  }

  function scheduleStart(): void {
    if (startTimer !== null || worker !== null) return;
    const delayMs = backOff.remainingMs(performance.now());
    if (delayMs === 0) startWorker();
    else startTimer = setTimeout(startWorker, delayMs).unref();
  }

  function onMissed(): void {
    missed += 1;
    const stuck = worker;
    if (missed < STUCK_AFTER_MISSED || stuck === null) return;
    // Not waited for: it may sit in native code, and the next thread can start beside it.
    void stuck.terminate();
    onDeath(stuck, `no answer within ${deadlineMs} ms, ${missed} times`);
  }

  function request<T>(make: (id: number, agentRestarts: number) => AgentRequest): Promise<T> {
    if (isClosed) return Promise.reject(new InferenceHealthError('ERR_CLOSED', 'the agent is closed'));
    if (worker === null && backOff.remainingMs(performance.now()) > deadlineMs) {
      return Promise.reject(new Error('the agent thread keeps dying and is not started again yet'));
    }
    const { question, answer } = requests.open<T>(make, deadlineMs, onMissed);
    if (worker !== null) ask(worker, question);
    else scheduleStart();
    return answer;
  }

  async function askForMetrics(collect: () => MetricsInput): Promise<Uint8Array> {
    const input = collect();
    return request<Uint8Array>((id, agentRestarts) => ({ kind: 'metrics', id, input, agentRestarts }));
  }

  function startScrape(collect: () => MetricsInput, kind: string): Promise<Uint8Array> {
    const scrape = askForMetrics(collect).then(
      (body) => {
        setTimeout(() => scrapes.delete(kind), REUSE_MS).unref();
        return body;
      },
      (error: unknown) => {
        scrapes.delete(kind);
        throw error;
      },
    );
    scrapes.set(kind, scrape);
    return scrape;
  }

  return {
    renderMetrics: (collect, kind = '') => scrapes.get(kind) ?? startScrape(collect, kind),
    captureStall(input) {
      capture ??= request<StackResult>((id) => ({ kind: 'stall', id, input })).finally(() => {
        capture = null;
      });
      return capture;
    },
    restarts,
    async close() {
      if (isClosed) return;
      isClosed = true;
      scrapes.clear();
      if (startTimer !== null) clearTimeout(startTimer);
      requests.rejectAll(new InferenceHealthError('ERR_CLOSED', 'the agent was closed'));
      await worker?.terminate();
      worker = null;
    },
  };
}
