import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { type FaultProxy, startProxy } from '../../lib/testing/proxy.js';

interface Line {
  readonly client: Socket;
  readonly server: Socket;
  /** What has come at the client, and how it ended. */
  readonly got: { text: string; ended: string | null; atMs: number };
}

/** A server that echoes, a proxy before it, a client behind it. */
async function withLine(use: (line: Line, proxy: FaultProxy) => Promise<void>): Promise<void> {
  const accepted: Socket[] = [];
  const echo = createServer((socket) => {
    accepted.push(socket);
    socket.on('error', () => undefined).pipe(socket);
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const proxy = await startProxy({ target: `127.0.0.1:${(echo.address() as AddressInfo).port}` });
  const client = connect(proxy.port, '127.0.0.1');
  const got = { text: '', ended: null as string | null, atMs: 0 };
  client.on('data', (chunk) => {
    got.text += String(chunk);
    got.atMs = performance.now();
  });
  client.on('end', () => (got.ended ??= 'end'));
  client.on('error', (error: NodeJS.ErrnoException) => (got.ended ??= error.code ?? 'error'));
  try {
    client.write('a');
    while (got.text !== 'a') await sleep(5);
    await use({ client, server: accepted[0]!, got }, proxy);
  } finally {
    client.destroy();
    await proxy.close();
    echo.close();
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !condition(); i += 1) await sleep(5);
  expect(condition()).toBe(true);
}

it('passes bytes and ends on', async () => {
  await withLine(async ({ client, got }, proxy) => {
    client.end('bc');
    await until(() => got.ended !== null);
    expect(got).toMatchObject({ text: 'abc', ended: 'end' });
    expect(proxy.bytes).toBe(3);
    await until(() => proxy.connections === 0);
  });
});

it('resets connections at both ends', async () => {
  await withLine(async ({ server, got }, proxy) => {
    const closed = new Promise((resolve) => server.on('close', resolve));
    proxy.reset();
    await until(() => got.ended === 'ECONNRESET');
    await closed;
  });
});

it('lets a half-open connection swallow what is sent, tells nobody, and serves new ones', async () => {
  await withLine(async ({ client, got }, proxy) => {
    proxy.halfOpen();
    client.write('lost');
    await sleep(100);
    expect(got).toMatchObject({ text: 'a', ended: null });
    const next = connect(proxy.port, '127.0.0.1');
    next.write('new');
    expect(String((await once(next, 'data'))[0])).toBe('new');
    next.destroy();
  });
});

it('holds everything in a partition, and delivers it when that is over', async () => {
  await withLine(async ({ client, got }, proxy) => {
    proxy.set({ isPartitioned: true });
    client.write('held');
    await sleep(100);
    expect(got.text).toBe('a');
    proxy.set({});
    await until(() => got.text === 'aheld');
  });
});

it('delays, limits the bandwidth, and closes late', async () => {
  await withLine(async ({ client, got }, proxy) => {
    const sentMs = performance.now();
    proxy.set({ delayMs: 60 });
    client.write('late');
    await until(() => got.text === 'alate');
    expect(got.atMs - sentMs).toBeGreaterThan(100);
    proxy.set({ bytesPerSecond: 1000 });
    const slowMs = performance.now();
    client.write('x'.repeat(50));
    await until(() => got.text.length === 55);
    expect(got.atMs - slowMs).toBeGreaterThan(80);
    proxy.set({ closeDelayMs: 60 });
    const endMs = performance.now();
    client.end();
    await until(() => got.ended !== null);
    expect(performance.now() - endMs).toBeGreaterThan(100);
  });
});

it('truncates an answer after so many bytes', async () => {
  await withLine(async ({ client, got }, proxy) => {
    proxy.truncate(3);
    client.write('123456');
    await until(() => got.ended !== null);
    expect(got.text).toBe('a123');
  });
});
