import { expect, it } from 'vitest';
import { until } from '../helpers/package.js';
import { post, withFleet } from './fleet.js';

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
