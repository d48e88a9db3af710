import { expect, it } from 'vitest';
import { until } from '../helpers/package.js';
import { endToy, post, startToy, withFleet } from './fleet.js';

it('shares long streams evenly between workers that do not tell their tokens, however old the streams are', async () => {
  await withFleet({ tokenMs: 20 }, async (frontend) => {
    const leave = new AbortController();
    const { signal } = leave;
    const inFlight = () => frontend.workers().map((worker) => worker.inFlight);
    for (let count = 1; count <= 6; count += 1) {
      const { body } = await post(
        frontend.url,
        { prompt: `${count}`, max_tokens: 3000, stream: true },
        { signal },
      );
      // What was sent before a worker's last report is in there, or nowhere.
      body?.pipeTo(new WritableStream()).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
    expect(inFlight()).toEqual([3, 3]);
    leave.abort();
    await until(() => inFlight().every((each) => each === 0));
  });
});

it('a worker whose engine does not tell its tokens counts what it serves, until the client has gone', async () => {
  const worker = await startToy('one', { tokenMs: 20 });
  const beacons = await fetch(`${worker.url}/v1/beacons`);
  try {
    const lines = beacons.body!.pipeThrough(new TextDecoderStream()).getReader();
    const told = async () => {
      const { value = '' } = await lines.read();
      return JSON.parse(value.trim().split('\n').at(-1)!).activeTokens as number;
    };
    expect(await told()).toBe(0);
    const leave = new AbortController();
    const { signal } = leave;
    await post(worker.url, { prompt: 'four', max_tokens: 3000, n: 2, stream: true }, { signal });
    const counted = await until(told);
    expect(counted).toBeGreaterThan(5000);
    expect(counted).toBeLessThanOrEqual(2 * (4 + 3000));
    leave.abort();
    await until(async () => (await told()) === 0);
    await lines.cancel();
  } finally {
    endToy(worker);
  }
});
