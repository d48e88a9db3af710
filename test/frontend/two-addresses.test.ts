import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { createServiceRate } from '../../dist/cjs/fleet/service-rate.js';
import { createWorkerPool } from '../../dist/cjs/frontend/pool.js';
import { createWorkerHttp } from '../../dist/cjs/frontend/worker-http.js';
import { sleep, until } from '../helpers/package.js';

it('a worker with two addresses that makes a long step is not lost by the one to the other', async () => {
  let seq = 0;
  const server = createServer((_, response) => {
    const send = (): void => {
      seq += 1;
      const beacon = {
        ...{ worker: 'w', incarnation: 'i', model: 'm', state: 'serving', ready: true, seq },
        ...{ engineStep: 1, running: 1, waiting: 0, scheduledTokens: 1, activeTokens: 0 },
        ...{ kvBlocksUsed: 0, kvBlocksTotal: 0, expectedStepMs: 0 },
      };
      response.write(`${JSON.stringify(beacon)}\n`);
    };
    const timer = setInterval(send, 50);
    response.on('close', () => clearInterval(timer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const nothing = (): void => undefined;
  const gone: object[] = [];
  const conditions: string[] = [];
  let skewMs = 0;
  const pool = createWorkerPool([`http://127.0.0.1:${port}`, `http://localhost:${port}`], {
    ...{ workerHttp: createWorkerHttp({}), serviceRate: createServiceRate(), onFirstToken: nothing },
    ...{ now: () => performance.now() + skewMs, random: Math.random },
    ...{ log: nothing, warn: nothing, onLeaving: nothing, onMember: nothing, onProgress: nothing },
    onCondition: (_ref, condition) => void conditions.push(condition),
    onGone: (ref) => void gone.push(ref),
    onEjected: nothing,
  });
  try {
    await until(() => pool.members().some(({ state }) => state === 'serving'));
    skewMs = 2500;
    await until(() => conditions.includes('suspect'));
    await sleep(300);
    expect(gone).toEqual([]);
    expect(pool.members().filter(({ ref }) => ref !== null)).toHaveLength(1);
  } finally {
    await pool.close();
    server.closeAllConnections();
    server.close();
  }
});
