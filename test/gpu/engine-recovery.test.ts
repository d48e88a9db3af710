import { describe, expect, it } from 'vitest';
import type { Health } from '../../lib/index.js';
import { until, withHealth } from '../helpers/package.js';
import { withFakeGpu } from './fake/fake-gpu.js';

const POISON = new Error('CUDA error: an illegal memory access was encountered');

async function withServer(
  use: (health: Health, ready: () => Promise<boolean>) => Promise<void>,
): Promise<void> {
  await withFakeGpu({}, async (fake) => {
    const gpu = { library: fake.library, kmsg: fake.kmsg.path };
    await withHealth({ gpu, startupGraceMs: 0 }, async (health, base) => {
      const ready = async (): Promise<boolean> => (await fetch(`${base}/readyz`)).status === 200;
      await until(async () => (await (await fetch(`${base}/health`)).text()).includes('GPU available'));
      health.engine.ready();
      await until(ready);
      await use(health, ready);
    });
  });
}

describe('a server whose engine met a fault of its CUDA context', () => {
  it('is ready again once the engine is ready after it had failed', async () => {
    await withServer(async (health, ready) => {
      health.gpu.reportError(POISON);
      await until(async () => !(await ready()));
      health.engine.ready();
      const request = health.requests.begin();
      request.tokens(5);
      request.end();
      expect(await ready()).toBe(false);
      health.engine.failed(POISON);
      health.engine.ready('restarted');
      await until(ready);
    });
  });

  it('is ready again once the application says that it is over', async () => {
    await withServer(async (health, ready) => {
      health.gpu.reportError(POISON);
      await until(async () => !(await ready()));
      health.gpu.reportRecovered();
      await until(ready);
      health.gpu.reportError(POISON);
      await until(async () => !(await ready()));
    });
  });
});
