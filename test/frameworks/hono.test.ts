import { createServer, get, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createAdmission } from '../../lib/admission/admission.js';
import { NO_LIMITS } from '../../lib/admission/policy.js';
import { honoHealth } from '../../lib/frameworks/hono.js';
import type { HealthPort } from '../../lib/frameworks/options.js';
import { until } from '../helpers/package.js';

let server: Server;
afterEach(() => {
  server.close();
  server.closeAllConnections();
});

describe('the middleware for hono', () => {
  it('gives the place back of a client that left the queue, also where the signal of its request says nothing', async () => {
    const admission = createAdmission({ limits: { ...NO_LIMITS, maxConcurrent: 1, maxQueue: 5 } });
    const ended: string[] = [];
    const health = {
      admit: admission.admit,
      requests: {
        begin: () => ({
          end: () => ended.push('end'),
          fail: () => ended.push('fail'),
          discard() {},
          tokens() {},
        }),
      },
    } as unknown as HealthPort;
    const middleware = honoHealth(health, { routes: false });
    let handled = 0;
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    server = createServer((_request, outgoing) => {
      const raw = new Request('http://localhost/');
      const context = { req: { raw, method: 'GET', path: '/' }, env: { outgoing }, res: new Response() };
      void middleware(context, async () => {
        handled += 1;
        void released.then(() => outgoing.end('ok'));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const first = fetch(url).then((response) => response.text());
    await until(() => handled === 1);
    const left = get(url).on('error', () => undefined);
    await until(() => admission.counts().queued === 1);
    expect(admission.counts()).toEqual({ admitted: 1, queued: 1 });
    left.destroy();
    await until(() => admission.counts().queued === 0);
    release();
    expect(await first).toBe('ok');
    await until(() => admission.counts().admitted === 0);
    expect(admission.counts()).toEqual({ admitted: 0, queued: 0 });
    expect([handled, ended]).toEqual([1, ['end']]);
    expect(await (await fetch(url)).text()).toBe('ok');
  });
});
