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

const DEFAULT_TIMEOUT_MS = 10_000;

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
  let received = Buffer.alloc(0);
  let hasEnded = false;
  const waiters = new Set<() => void>();
  const wake = () => {
    for (const waiter of [...waiters]) waiter();
  };
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
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
          reject(
            new Error(`connection ended before ${what}; received ${JSON.stringify(received.toString())}`),
          );
          return;
        }
        stop();
        resolve(value);
      };
      const timer = setTimeout(() => {
        stop();
        reject(new Error(`no ${what} in ${timeoutMs} ms; received ${JSON.stringify(received.toString())}`));
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
          const parsed = parseResponse(received, isHead, hasEnded);
          if (parsed === null) return undefined;
          received = received.subarray(parsed.bytes);
          return parsed.response;
        },
        timeoutMs,
        'response',
      ),
    ended: (timeoutMs = DEFAULT_TIMEOUT_MS) =>
      until(() => (hasEnded ? received.toString('latin1') : undefined), timeoutMs, 'end'),
    close(how) {
      if (how === 'reset') socket.resetAndDestroy();
      else socket.destroy();
    },
  };
}

function parseResponse(
  received: Buffer,
  isHead: boolean,
  hasEnded: boolean,
): { response: RawResponse; bytes: number } | null {
  const headEnd = received.indexOf('\r\n\r\n');
  if (headEnd === -1) return null;
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
      if (!hasEnded) return null;
      bodyEnd = received.length;
    } else bodyEnd += Number(length);
  }
  if (received.length < bodyEnd) return null;
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
