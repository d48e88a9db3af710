import { connect, type NetConnectOpts, type Socket } from 'node:net';

export interface RawResponse {
  readonly status: number;
  readonly reason: string;
  /** Names in lower case; a field sent twice is joined by `, `. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A socket that says byte for byte what a test wants said, and takes apart what comes back. */
export interface RawClient {
  readonly socket: Socket;
  send(bytes: string | Uint8Array): void;
  /** The next response; rejects if the connection ends or `timeoutMs` passes first. HEAD has no body. */
  response(options?: { isHead?: boolean; timeoutMs?: number }): Promise<RawResponse>;
  /** Resolves when the server has ended or reset the connection, with what it sent that nobody read; rejects in time. */
  ended(timeoutMs?: number): Promise<string>;
  /** Sends FIN or, with `reset`, RST. */
  close(how?: 'reset'): void;
}

const DEFAULT_TIMEOUT_MS = 20_000;

export function openRaw(address: number | NetConnectOpts): Promise<RawClient> {
  const options: NetConnectOpts =
    typeof address === 'number' ? { port: address, host: '127.0.0.1' } : { ...address };
  return new Promise((resolve, reject) => {
    const socket = connect({ ...options, allowHalfOpen: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.removeListener('error', reject);
      resolve(clientOf(socket));
    });
  });
}

function clientOf(socket: Socket): RawClient {
  let chunks: Buffer[] = [];
  let size = 0;
  /** Less than so much is no whole response: a large one is put together once, not with each chunk. */
  let wanted = 0;
  let hasEnded = false;
  const received = (): Buffer => {
    const [only, ...more] = chunks;
    if (only === undefined || more.length > 0) chunks = [Buffer.concat(chunks)];
    return chunks[0] as Buffer;
  };
  const shown = (): string => JSON.stringify(received().toString('utf8', 0, 1000));
  const waiters = new Set<() => void>();
  const wake = () => {
    for (const waiter of [...waiters]) waiter();
  };
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    size += chunk.length;
    wake();
  });
  const finish = () => {
    hasEnded = true;
    wake();
  };
  socket.on('end', finish);
  socket.on('error', finish);
  socket.on('close', finish);

  /** Calls `attempt` after each arrival until it gives something. */
  function until<T>(attempt: () => T | undefined, timeoutMs: number, what: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const stop = () => {
        clearTimeout(timer);
        waiters.delete(step);
      };
      const step = () => {
        const value = attempt();
        if (value === undefined) {
          if (!hasEnded || what === 'end') return;
          stop();
          reject(new Error(`connection ended before ${what}; received ${size} bytes: ${shown()}`));
          return;
        }
        stop();
        resolve(value);
      };
      const timer = setTimeout(() => {
        stop();
        reject(new Error(`no ${what} in ${timeoutMs} ms; received ${size} bytes: ${shown()}`));
      }, timeoutMs);
      waiters.add(step);
      step();
    });
  }

  return {
    socket,
    send: (bytes) => void socket.write(bytes),
    response: ({ isHead = false, timeoutMs = DEFAULT_TIMEOUT_MS } = {}) =>
      until(
        () => {
          if (size < wanted) return undefined;
          const parsed = parseResponse(received(), isHead, hasEnded);
          wanted = parsed.bytes;
          if (parsed.response === null) return undefined;
          chunks = [received().subarray(parsed.bytes)];
          size -= parsed.bytes;
          wanted = 0;
          return parsed.response;
        },
        timeoutMs,
        'response',
      ),
    ended: (timeoutMs = DEFAULT_TIMEOUT_MS) =>
      until(() => (hasEnded ? received().toString('latin1') : undefined), timeoutMs, 'end'),
    close(how) {
      if (how === 'reset') socket.resetAndDestroy();
      else socket.destroy();
    },
  };
}

/** `bytes`: of the response; where it is not whole yet, those that it has at least. */
function parseResponse(
  received: Buffer,
  isHead: boolean,
  hasEnded: boolean,
): { response: RawResponse | null; bytes: number } {
  const headEnd = received.indexOf('\r\n\r\n');
  if (headEnd === -1) return { response: null, bytes: 0 };
  const [statusLine = '', ...lines] = received.toString('latin1', 0, headEnd).split('\r\n');
  const match = /^HTTP\/1\.1 (\d{3}) (.*)$/.exec(statusLine);
  if (match === null) throw new Error(`not a status line: ${JSON.stringify(statusLine)}`);
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
  }
  const status = Number(match[1]);
  const bodyStart = headEnd + 4;
  let bodyEnd = bodyStart;
  if (!isHead && status !== 204 && status >= 200) {
    const length = headers['content-length'];
    if (length === undefined) {
      // Without a length the body ends with the connection.
      if (!hasEnded) return { response: null, bytes: 0 };
      bodyEnd = received.length;
    } else bodyEnd += Number(length);
  }
  if (received.length < bodyEnd) return { response: null, bytes: bodyEnd };
  const body = received.toString('utf8', bodyStart, bodyEnd);
  return { response: { status, reason: match[2] ?? '', headers, body }, bytes: bodyEnd };
}

/** One request on a connection of its own. */
export async function exchange(
  address: number | NetConnectOpts,
  request: string,
  options?: { isHead?: boolean; timeoutMs?: number },
): Promise<RawResponse> {
  const client = await openRaw(address);
  try {
    client.send(request);
    return await client.response(options);
  } finally {
    client.close();
  }
}

/** A well-formed request; `lines` are further header lines. */
export function request(method: string, target: string, lines: readonly string[] = []): string {
  return `${[`${method} ${target} HTTP/1.1`, 'Host: test', ...lines].join('\r\n')}\r\n\r\n`;
}
