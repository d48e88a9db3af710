import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { createRoutes, type RoutePorts } from '../../lib/frontend/routes.js';

it('tells a client of an error of its own no more than the id, and the log the rest', async () => {
  const reported: unknown[][] = [];
  const routes = createRoutes({
    models() {
      throw new Error('no /etc/secret at 10.0.0.7');
    },
    requests: { isDraining: false },
    maxBodyBytes: 1000,
    isForeign: false,
    busyThreshold: null,
    report: (id: string, error: unknown) => reported.push([id, (error as Error).message]),
  } as unknown as RoutePorts);
  const server = createServer(routes.answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/models`;
    const response = await fetch(url, { headers: { 'x-request-id': 'mine' } });
    const text = await response.text();
    expect([response.status, JSON.parse(text).error]).toMatchObject([
      500,
      { type: 'server_error', code: 'internal_error', message: expect.stringContaining('request mine') },
    ]);
    expect(text).not.toMatch(/secret|10\.0/);
    const unnamed = (await (await fetch(url)).json()) as { error: { message: string } };
    expect(reported).toEqual([
      ['mine', 'no /etc/secret at 10.0.0.7'],
      [expect.stringMatching(/^req-[0-9a-f]{24}$/), 'no /etc/secret at 10.0.0.7'],
    ]);
    expect(unnamed.error.message).toContain(String(reported[1]?.[0]));
  } finally {
    server.close();
  }
});
