import { randomBytes } from 'node:crypto';
import { get } from 'node:http';
import type { Socket } from 'node:net';

export interface CdpEvent {
  readonly method: string;
  readonly params?: unknown;
}

/** A debugger: just enough of a WebSocket client for the inspector, since Node 20 has none. */
export interface Cdp {
  readonly events: readonly CdpEvent[];
  send(method: string, params?: object): Promise<unknown>;
  waitFor(method: string): Promise<void>;
  close(): void;
}

const TEXT = 0x81;

export async function connectCdp(webSocketUrl: string): Promise<Cdp> {
  const socket = await upgrade(webSocketUrl);
  const events: CdpEvent[] = [];
  const answers = new Map<number, (result: unknown) => void>();
  const waiting = new Map<string, () => void>();
  let received = Buffer.alloc(0);
  let nextId = 1;

  function onMessage(text: string): void {
    const message = JSON.parse(text) as { id?: number; result?: unknown } & CdpEvent;
    if (message.id !== undefined) answers.get(message.id)?.(message.result);
    else {
      events.push(message);
      waiting.get(message.method)?.();
    }
  }

  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    for (;;) {
      const frame = readFrame(received);
      if (frame === null) return;
      received = received.subarray(frame.end);
      if (frame.payload !== null) onMessage(frame.payload.toString());
    }
  });

  return {
    events,
    send(method, params = {}) {
      const id = nextId;
      nextId += 1;
      socket.write(textFrame(JSON.stringify({ id, method, params })));
      return new Promise((resolve) => answers.set(id, resolve));
    },
    waitFor(method) {
      if (events.some((event) => event.method === method)) return Promise.resolve();
      return new Promise((resolve) => waiting.set(method, resolve));
    },
    close: () => socket.destroy(),
  };
}

function upgrade(webSocketUrl: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    get(webSocketUrl.replace('ws:', 'http:'), {
      headers: {
        Connection: 'Upgrade',
        Upgrade: 'websocket',
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
      },
    })
      .on('upgrade', (_, socket) => resolve(socket))
      .on('error', reject);
  });
}

/** A client must mask what it sends. */
function textFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  const mask = randomBytes(4);
  const head = Buffer.from([TEXT, 0x80 | 126, payload.length >> 8, payload.length & 0xff]);
  return Buffer.concat([head, mask, payload.map((byte, index) => byte ^ mask[index % 4]!)]);
}

function readFrame(bytes: Buffer): { payload: Buffer | null; end: number } | null {
  if (bytes.length < 2) return null;
  const short = bytes[1]! & 0x7f;
  const head = short === 127 ? 10 : short === 126 ? 4 : 2;
  if (bytes.length < head) return null;
  const length =
    short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short;
  const end = head + length;
  if (bytes.length < end) return null;
  return { payload: bytes[0] === TEXT ? bytes.subarray(head, end) : null, end };
}
