import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type Frontend, type FrontendOptions, startFrontend } from '../../dist/cjs/frontend/frontend.js';
import type { WorkerOptions } from '../../lib/index.js';
import { until } from '../helpers/package.js';

export interface ToyWorker {
  readonly name: string;
  readonly child: ChildProcess;
  readonly url: string;
  /** Of its health service. */
  readonly probes: string;
  /** Prompts of requests that the engine was told to end. */
  readonly cancelled: string[];
  steer(message: {
    readonly tokenMs?: number;
    readonly hangs?: boolean;
    readonly kvBlocksUsed?: number;
  }): void;
}

export async function startToy(
  name: string,
  { port = 0, tokenMs = 10, options = {} as Partial<WorkerOptions>, env = {} as NodeJS.ProcessEnv } = {},
): Promise<ToyWorker> {
  const script = fileURLToPath(new URL('toy-worker.mjs', import.meta.url));
  const child = fork(script, [name, String(port), String(tokenMs), JSON.stringify(options)], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, DYN_SYSTEM_PORT: '', ...env },
  });
  const exited = once(child, 'exit').then(([code]) => {
    throw new Error(`the worker ended with ${code}`);
  });
  exited.catch(() => undefined);
  const [{ url, probes }] = (await Promise.race([once(child, 'message'), exited])) as [
    { url: string; probes: string },
  ];
  const cancelled: string[] = [];
  child.on('message', (message: { cancelled?: string }) => {
    if (message.cancelled !== undefined) cancelled.push(message.cancelled);
  });
  return { name, child, url, probes, cancelled, steer: (message) => child.send(message) };
}

export function endToy({ child }: ToyWorker): void {
  child.kill('SIGCONT');
  child.kill('SIGKILL');
}

export interface FleetOptions extends Omit<FrontendOptions, 'workers'> {
  readonly names?: readonly string[];
  readonly tokenMs?: number;
}

/** Workers, and a frontend that knows them all; all end whatever happens. */
export async function withFleet(
  { names = ['one', 'two'], tokenMs = 10, ...options }: FleetOptions,
  use: (frontend: Frontend, workers: ToyWorker[]) => Promise<void>,
): Promise<void> {
  const workers = await Promise.all(names.map((name) => startToy(name, { tokenMs })));
  const frontend = await startFrontend({ port: 0, ...options, workers: workers.map(({ url }) => url) });
  try {
    await until(() => frontend.workers().every(({ state }) => state === 'serving'));
    await use(frontend, workers);
  } finally {
    await frontend.close();
    for (const worker of workers) endToy(worker);
  }
}

export interface Streamed {
  readonly text: string;
  readonly reason: string | null;
  readonly isDone: boolean;
  readonly errors: readonly string[];
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number } | null;
}

export async function post(url: string, body: object, init: RequestInit = {}): Promise<Response> {
  return fetch(`${url}/v1/completions`, {
    ...init,
    method: 'POST',
    headers: { 'content-type': 'application/json', ...init.headers },
    body: JSON.stringify(body),
  });
}

/** Reads a stream of OpenAI's events to its end. */
export async function stream(
  url: string,
  body: object,
  onText: (text: string) => void = () => undefined,
): Promise<Streamed> {
  const response = await post(url, { stream: true, stream_options: { include_usage: true }, ...body });
  if (response.status !== 200 || response.body === null)
    throw new Error(`${response.status} ${await response.text()}`);
  let rest = '';
  let text = '';
  let reason: string | null = null;
  let usage: Streamed['usage'] = null;
  let isDone = false;
  const errors: string[] = [];
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (!line.startsWith('data: ')) continue;
      if (isDone) throw new Error(`after the end: ${line}`);
      if (line === 'data: [DONE]') {
        isDone = true;
        continue;
      }
      const event = JSON.parse(line.slice(6));
      if (event.error !== undefined) errors.push(event.error.message);
      text += event.choices?.[0]?.text ?? '';
      reason = event.choices?.[0]?.finish_reason ?? reason;
      usage = event.usage ?? usage;
      onText(text);
    }
  }
  return { text, reason, isDone, errors, usage };
}

/** The worker that serves all that runs. */
export function busiest(frontend: Frontend, workers: readonly ToyWorker[]): ToyWorker {
  const [most] = [...frontend.workers()].sort((a, b) => b.inFlight - a.inFlight);
  const found = workers.find(({ url }) => url === most?.url);
  if (found === undefined) throw new Error('no worker');
  return found;
}
