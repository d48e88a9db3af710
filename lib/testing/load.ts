/** Steady load whose every text is held against that of an undisturbed run. */
import { setMaxListeners } from 'node:events';
import { type Streamed, streamCompletion } from './client.js';
import { createRandom } from './random.js';
import type { LoadSpec } from './types.js';

export type Outcome = 'whole' | 'differed' | 'failed' | 'rejected';

export interface Measured extends Streamed {
  readonly prompt: number;
  readonly outcome: Outcome;
  /** First character that is another one; −1: none is. */
  readonly differsAt: number;
}

export interface Load {
  readonly results: readonly Measured[];
  readonly running: number;
  /** Text of each prompt when nothing was wrong. */
  readonly expected: readonly string[];
  body(prompt: number): object;
  /** Reads each prompt once, in peace. @throws Error when one is not whole */
  learn(): Promise<void>;
  begin(): void;
  /** Begins no more, and waits for those that run. */
  finish(): Promise<void>;
  /** Cuts off what runs. */
  abort(): void;
}

const REJECTIONS = new Set([429, 503, 529]);
/** A client of a closed loop waits as it is told, but not for ever, and never not at all. */
const MIN_WAIT_MS = 50;
const MAX_WAIT_MS = 2000;

export function createLoad(
  spec: LoadSpec,
  options: {
    /** Of frontends; clients take them in turn. */
    readonly urls: readonly string[];
    readonly seed?: number;
    onResult?(result: Measured): void;
    /** False for runs of millions of streams: then only `onResult` sees them. */
    readonly keeps?: boolean;
  },
): Load {
  const { streams = 8, perSecond, prompts = 8, tokens = 100 } = spec;
  const random = createRandom(options.seed ?? 1);
  const aborted = new AbortController();
  setMaxListeners(0, aborted.signal);
  const results: Measured[] = [];
  const expected: string[] = [];
  const open = new Set<Promise<unknown>>();
  let isOver = false;
  let next = 0;
  let timer: NodeJS.Timeout | undefined;

  const body = (prompt: number): object => ({ prompt: `story ${prompt} tells of`, max_tokens: tokens });
  /** Greedy, so the seed changes nothing but that no request is the same as one before it. */
  const another = (prompt: number): object => ({ ...body(prompt), seed: next });
  const urlOf = (index: number): string => options.urls[index % options.urls.length] ?? '';

  async function learn(): Promise<void> {
    const texts = await Promise.all(
      Array.from({ length: prompts }, async (_, prompt) => {
        const got = await streamCompletion(urlOf(prompt), body(prompt), { signal: aborted.signal });
        if (!got.isDone || got.error !== null)
          throw new Error(`the undisturbed run of prompt ${prompt} failed: ${got.status} ${got.error}`);
        return got.text;
      }),
    );
    expected.push(...texts);
  }

  async function one(): Promise<Measured> {
    const prompt = Math.floor(random() * prompts);
    const got = await streamCompletion(urlOf(next++), another(prompt), { signal: aborted.signal });
    const measured = judge(got, prompt, expected[prompt] ?? '');
    if (options.keeps !== false) results.push(measured);
    options.onResult?.(measured);
    return measured;
  }

  function track<T>(work: Promise<T>): Promise<T> {
    open.add(work);
    void work.finally(() => open.delete(work));
    return work;
  }

  async function client(): Promise<void> {
    while (!isOver) {
      const { outcome, retryAfter } = await one();
      if (outcome !== 'rejected' && outcome !== 'failed') continue;
      const waitMs = Math.min(MAX_WAIT_MS, Math.max(MIN_WAIT_MS, (retryAfter ?? 0) * 1000));
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }

  function arrive(rate: number): void {
    if (isOver) return;
    void track(one());
    timer = setTimeout(() => arrive(rate), (-Math.log(1 - random()) / rate) * 1000);
  }

  return {
    results,
    expected,
    body,
    get running() {
      return open.size;
    },
    learn,
    begin() {
      if (perSecond !== undefined) arrive(perSecond);
      else for (let index = 0; index < streams; index += 1) void track(client());
    },
    async finish() {
      isOver = true;
      clearTimeout(timer);
      while (open.size > 0) await Promise.allSettled([...open]);
    },
    abort() {
      isOver = true;
      clearTimeout(timer);
      aborted.abort();
    },
  };
}

function judge(got: Streamed, prompt: number, expected: string): Measured {
  const { text } = got;
  const isWhole = got.isDone && got.error === null;
  let at = 0;
  while (at < text.length && text[at] === expected[at]) at += 1;
  const isSame = at === text.length && (!isWhole || text.length === expected.length);
  const differsAt = isSame ? -1 : at;
  const outcome: Outcome = !isSame
    ? 'differed'
    : isWhole
      ? 'whole'
      : REJECTIONS.has(got.status)
        ? 'rejected'
        : 'failed';
  return { ...got, prompt, outcome, differsAt };
}
