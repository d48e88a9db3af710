import { expect, it } from 'vitest';
import { withChild } from '../helpers/child.js';
import { until } from '../helpers/package.js';
import { endToy, startToy } from './fleet.js';

const text = async (url: string): Promise<[number, string, string | null]> => {
  // A drain closes connections that are idle, also one that is just being used again.
  const response = await fetch(url, { headers: { connection: 'close' } });
  return [response.status, await response.text(), response.headers.get('content-type')];
};

/** A frontend whose main thread blocks for `blockMs` when it is told to. */
const frontendProcess = (options: object): string => `
  const { startFrontend } = require('./dist/cjs/index.js');
  const health = await startHealth({ port: 0, host: '127.0.0.1', dialect: 'dynamo-frontend', startupGraceMs: 0 });
  const api = await startFrontend({ ...${JSON.stringify(options)}, port: 0, health });
  say({ api: api.url, probes: 'http://127.0.0.1:' + health.listeners[0].port });
  process.stdin.setEncoding('utf8').on('data', async (message) => {
    if (message === 'drain') await api.drain();
    if (message === 'block') { say('blocked'); block(3000); say('turns'); }
  });
`;

it('answers on the probe listener what the API answers, while the main thread is blocked', async () => {
  const worker = await startToy('one');
  try {
    await withChild(frontendProcess({ workers: [worker.url], healthMode: 'strict' }), async (child) => {
      const { api, probes } = await child.message<{ api: string; probes: string }>();
      await until(async () => (await text(`${probes}/health`))[1].includes('"healthy"'));
      const health = await text(`${api}/health`);
      const live = await text(`${api}/live`);
      expect([health[0], live]).toEqual([
        200,
        [200, '{"message":"Service is live","status":"live"}', 'application/json'],
      ]);
      child.process.stdin!.write('block');
      expect(await child.message()).toBe('blocked');
      expect(await text(`${probes}/health`)).toEqual(health);
      expect(await text(`${probes}/live`)).toEqual(live);
      expect(await child.message()).toBe('turns');
    });
  } finally {
    endToy(worker);
  }
});

it.each([
  ['documented', [200, '{"instances":[],"message":"No endpoints available","status":"unhealthy"}'], 200],
  ['strict', [503, '{"instances":[],"message":"No endpoints available","status":"unhealthy"}'], 503],
  ['always-healthy', [200, '{"endpoints":[],"instances":[],"status":"healthy"}'], 503],
])(
  'has the mode %s on the probe listener, without workers and draining',
  async (healthMode, alone, drainStatus) => {
    const options = { workers: ['http://127.0.0.1:9'], healthMode };
    await withChild(frontendProcess(options), async (child) => {
      const { api, probes } = await child.message<{ api: string; probes: string }>();
      const [status, body] = await until(async () => {
        const given = await text(`${probes}/health`);
        return given[0] === alone[0] && given[1] === alone[1] ? given : null;
      });
      expect([status, body]).toEqual((await text(`${api}/health`)).slice(0, 2));
      child.process.stdin!.write('drain');
      await until(async () => (await text(`${api}/health`))[0] === drainStatus);
      const drained = await text(`${api}/health`);
      await until(async () => String(await text(`${probes}/health`)) === String(drained));
      expect((await text(`${probes}/live`))[0]).toBe(200);
    });
  },
);
