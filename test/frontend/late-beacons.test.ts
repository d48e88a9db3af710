import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { createServiceRate } from '../../dist/cjs/fleet/service-rate.js';
import { createWorkerPool } from '../../dist/cjs/frontend/pool.js';
import { createWorkerHttp } from '../../dist/cjs/frontend/worker-http.js';
import { until } from '../helpers/package.js';

const beacon = (seq: number) => ({
  ...{ worker: 'w', incarnation: 'i', model: 'm', state: 'serving' as const, ready: true, seq },
  ...{ engineStep: seq, running: 0, waiting: 0, scheduledTokens: 0, activeTokens: 0 },
  ...{ kvBlocksUsed: 0, kvBlocksTotal: 0, expectedStepMs: 0 },
});

it('beacons that lag behind on NATS do not silence the worker’s own connection; those that do not let it rest', async () => {
  let reader: ServerResponse | null = null;
  const server = createServer((_, response) => {
    reader = response;
    response.on('close', () => {
      reader = null;
    });
    response.write(`${JSON.stringify(beacon(100))}\n`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const nothing = (): void => undefined;
  const pool = createWorkerPool([`http://127.0.0.1:${(server.address() as AddressInfo).port}`], {
    ...{ workerHttp: createWorkerHttp({}), serviceRate: createServiceRate(), onFirstToken: nothing },
    ...{ rest: { isDeaf: () => false }, now: () => performance.now(), random: Math.random },
    ...{ log: nothing, warn: nothing, onLeaving: nothing, onCondition: nothing, onGone: nothing },
    ...{ onEjected: nothing, onMember: nothing, onProgress: nothing },
  });
  try {
    await until(() => pool.members()[0]?.state === 'serving');
    for (let seq = 80; seq < 92; seq += 1) expect(pool.hear(beacon(seq))).toBe('old');
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(reader).not.toBeNull();
    expect(pool.hear(beacon(100))).toBe('old');
    for (const seq of [101, 102, 103]) expect(pool.hear(beacon(seq))).toBe('taken');
    await until(() => reader === null);
  } finally {
    await pool.close();
    server.closeAllConnections();
    server.close();
  }
});
