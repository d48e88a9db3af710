import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type Frontend, startFrontend } from '../../dist/cjs/frontend/frontend.js';
import { until } from '../helpers/package.js';
import { HAS_ENGINE, withModel } from '../llama/helpers.js';

interface WorkerProcess {
  readonly child: ChildProcess;
  readonly url: string;
  readonly enginePid: number;
}

async function startWorker(model: string, name: string): Promise<WorkerProcess> {
  const script = fileURLToPath(new URL('llama-worker.mjs', import.meta.url));
  const child = fork(script, [model, name], { execArgv: [], env: { ...process.env, DYN_SYSTEM_PORT: '' } });
  const exited = once(child, 'exit').then(([code]) => {
    throw new Error(`the worker ended with ${code}`);
  });
  const [message] = (await Promise.race([once(child, 'message'), exited])) as [
    { url: string; enginePid: number },
  ];
  exited.catch(() => undefined);
  return { child, ...message };
}

interface Streamed {
  readonly text: string;
  readonly reason: string | null;
  readonly isDone: boolean;
  readonly errors: number;
}

/** Reads a stream of OpenAI's events to its end. */
async function stream(
  url: string,
  body: object,
  onText: (length: number) => void = () => undefined,
): Promise<Streamed> {
  const response = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ stream: true, temperature: 0, ...body }),
  });
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
  let rest = '';
  let text = '';
  let reason: string | null = null;
  let isDone = false;
  let errors = 0;
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      if (!line.startsWith('data: ')) continue;
      expect(isDone).toBe(false);
      if (line === 'data: [DONE]') isDone = true;
      else {
        const event = JSON.parse(line.slice(6)) as {
          error?: object;
          choices?: { text: string; finish_reason: string | null }[];
        };
        if (event.error !== undefined) errors += 1;
        text += event.choices?.[0]?.text ?? '';
        reason = event.choices?.[0]?.finish_reason ?? reason;
        onText(text.length);
      }
    }
  }
  return { text, reason, isDone, errors };
}

describe.runIf(HAS_ENGINE)('a frontend before two llama.cpp workers', () => {
  async function withFleet(use: (frontend: Frontend, workers: readonly WorkerProcess[]) => Promise<void>) {
    await withModel(async (path) => {
      const workers = await Promise.all(['one', 'two'].map((name) => startWorker(path, name)));
      const frontend = await startFrontend({ workers: workers.map(({ url }) => url), port: 0 });
      try {
        await until(() => frontend.workers().every(({ state }) => state === 'serving'));
        await use(frontend, workers);
      } finally {
        await frontend.close();
        for (const { child } of workers) child.kill('SIGKILL');
      }
    });
  }

  it('goes on with every stream, to the same end, when a worker is killed in the middle', async () => {
    await withFleet(async (frontend, workers) => {
      const prompts = Array.from({ length: 8 }, (_, i) => `stream number ${i} tells of`);
      const body = (prompt: string) => ({ prompt, max_tokens: 450 });
      const whole = await Promise.all(prompts.map((prompt) => stream(frontend.url, body(prompt))));
      expect(frontend.migrations()).toEqual({});

      let begun = 0;
      const again = Promise.all(
        prompts.map((prompt) => {
          let isFirst = true;
          return stream(frontend.url, body(prompt), (length) => {
            if (length < 40 || !isFirst) return;
            isFirst = false;
            begun += 1;
            if (begun === 4) workers[0]!.child.kill('SIGKILL');
          });
        }),
      );
      const moved = await again;
      for (const [i, { text, reason, isDone, errors }] of moved.entries()) {
        expect({ reason, isDone, errors }).toEqual({ reason: whole[i]!.reason, isDone: true, errors: 0 });
        expect(text).toBe(whole[i]!.text);
      }
      const moves = Object.values(frontend.migrations()).reduce((sum, n) => sum + n, 0);
      expect(moves).toBeGreaterThan(0);
      expect(frontend.inFlight).toBe(0);
      await until(() => frontend.workers()[0]!.state === 'gone');
    });
  }, 60_000);
});
