/** A client of OpenAI's streaming completions that notes what it got, and when. */
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { StringDecoder } from 'node:string_decoder';

export interface Streamed {
  /** `x-request-id` of the answer, for the logs. */
  readonly id: string;
  /** HTTP status; 0: there was no answer. */
  readonly status: number;
  readonly text: string;
  readonly finishReason: string | null;
  /** `[DONE]` has come. */
  readonly isDone: boolean;
  /** What went wrong, as the server or the connection said it. */
  readonly error: string | null;
  /** Seconds of Retry-After; null: not given. */
  readonly retryAfter: number | null;
  readonly startedMs: number;
  readonly firstTextMs: number | null;
  readonly endedMs: number;
  /** Longest time between two pieces, the first one and the end included; 0: fewer than two. */
  readonly longestGapMs: number;
}

export interface StreamOptions {
  readonly signal?: AbortSignal;
  /** Each piece of text as it comes. */
  onText?(text: string): void;
}

const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });

interface Event {
  readonly error?: { readonly message: string };
  readonly choices?: readonly { readonly text?: string; readonly finish_reason: string | null }[];
}

/** Null: it is none. What a broken server sends is a result as any other. */
function parsed(data: string): Event | null {
  try {
    return JSON.parse(data) as Event | null;
  } catch {
    return null;
  }
}

/** Never rejects: a failure is a result. @param url of the server, without a path */
export function streamCompletion(url: string, body: object, options: StreamOptions = {}): Promise<Streamed> {
  const startedMs = performance.now();
  const result = {
    id: '',
    status: 0,
    text: '',
    finishReason: null as string | null,
    isDone: false,
    error: null as string | null,
    retryAfter: null as number | null,
    startedMs,
    firstTextMs: null as number | null,
    endedMs: 0,
    longestGapMs: 0,
  };
  let lastMs: number | null = null;
  let raw = '';

  function piece(text: string): void {
    const now = performance.now();
    result.firstTextMs ??= now;
    if (lastMs !== null) result.longestGapMs = Math.max(result.longestGapMs, now - lastMs);
    lastMs = now;
    result.text += text;
    if (text !== '') options.onText?.(text);
  }

  function line(text: string): void {
    if (!text.startsWith('data: ')) return;
    if (text === 'data: [DONE]') {
      result.isDone = true;
      return;
    }
    const event = parsed(text.slice(6));
    if (event === null) {
      result.error ??= `no event: ${text.slice(0, 100)}`;
      return;
    }
    if (event.error !== undefined) result.error ??= event.error.message;
    const [choice] = event.choices ?? [];
    if (choice === undefined) return;
    piece(choice.text ?? '');
    result.finishReason = choice.finish_reason ?? result.finishReason;
  }

  function read(response: IncomingMessage): void {
    result.status = response.statusCode ?? 0;
    result.id = String(response.headers['x-request-id'] ?? '');
    const seconds = response.headers['retry-after'];
    result.retryAfter = seconds === undefined ? null : Number(seconds);
    const decoder = new StringDecoder('utf8');
    let rest = '';
    response.on('data', (chunk: Buffer) => {
      const text = decoder.write(chunk);
      if (result.status !== 200) {
        raw += text;
        return;
      }
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const each of lines) line(each);
    });
  }

  return new Promise((resolve) => {
    let isOver = false;
    const end = (error: string | null): void => {
      if (isOver) return;
      isOver = true;
      result.endedMs = performance.now();
      if (result.status !== 200 && result.status !== 0) result.error ??= raw.slice(0, 300);
      if (error !== null) result.error ??= error;
      resolve(result);
    };
    const request = httpRequest(
      `${url}/v1/completions`,
      {
        method: 'POST',
        agent,
        headers: { 'content-type': 'application/json' },
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      },
      (response) => {
        read(response);
        response.on('end', () =>
          end(result.status === 200 && !result.isDone ? 'the stream was cut off' : null),
        );
        response.on('error', (error) => end(error.message));
        response.on('close', () => end('the connection was closed'));
      },
    );
    request.on('error', (error) => end(error.message));
    request.end(JSON.stringify({ stream: true, temperature: 0, ...body }));
  });
}

/** Lets connections go that wait for a next request. */
export const closeIdle = (): void => agent.destroy();
