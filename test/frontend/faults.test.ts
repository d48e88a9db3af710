import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { sleep, until } from '../helpers/package.js';
import { busiest, post, startToy, stream, type ToyWorker, withFleet } from './fleet.js';
import { moved, survives } from './survival.js';

describe.concurrent('streams through a frontend', () => {
  it('survive the SIGKILL of their worker', async () => {
    await withFleet({}, async (frontend, workers) => {
      await survives(frontend, ({ child }) => void child.kill('SIGKILL'), workers);
      await until(() => frontend.workers().filter(({ state }) => state === 'gone').length === 1);
    });
  });

  it('survive the SIGSTOP of their worker, which is ejected and comes back', async () => {
    await withFleet({}, async (frontend, workers) => {
      let stopped: ToyWorker | undefined;
      await survives(
        frontend,
        async (victim) => {
          stopped = victim;
          victim.child.kill('SIGSTOP');
          await until(() => frontend.workers().some(({ isEjected }) => isEjected));
        },
        workers,
      );
      stopped?.child.kill('SIGCONT');
      await until(() => frontend.workers().every(({ condition }) => condition === 'alive'));
    });
  });

  it('survive a hung engine in a process that lives', async () => {
    await withFleet({}, async (frontend, workers) => {
      await survives(
        frontend,
        async (victim) => {
          victim.steer({ hangs: true });
          await until(() => moved(frontend) > 0);
        },
        workers,
      );
    });
  });

  it('survive the drain of their worker, which exits with 0', async () => {
    await withFleet({}, async (frontend, workers) => {
      await survives(
        frontend,
        async ({ child }) => {
          child.kill('SIGTERM');
          await once(child, 'exit');
          expect(child.exitCode).toBe(0);
        },
        workers,
      );
    });
  });

  it('survive a rolling restart of every worker, with requests coming all the time', {
    timeout: 90_000,
  }, async () => {
    await withFleet({ names: ['one', 'two'], tokenMs: 2 }, async (frontend, workers) => {
      const wanted = await stream(frontend.url, { prompt: 'steady', max_tokens: 40 });
      let isOver = false;
      let count = 0;
      const client = async (): Promise<void> => {
        while (!isOver) {
          expect(await stream(frontend.url, { prompt: 'steady', max_tokens: 40 })).toEqual(wanted);
          count += 1;
        }
      };
      const clients = Promise.all([client(), client()]);
      for (const [index, worker] of workers.entries()) {
        worker.child.kill('SIGTERM');
        await once(worker.child, 'exit');
        const next = await startToy(worker.name, { port: Number(new URL(worker.url).port), tokenMs: 2 });
        workers[index] = next;
        await until(() => frontend.workers().every(({ state }) => state === 'serving'), 30_000);
      }
      isOver = true;
      await clients;
      expect(count).toBeGreaterThan(5);
    });
  });

  it('have their stop strings found across the border of two workers', async () => {
    await withFleet({}, async (frontend, workers) => {
      const { text } = await stream(frontend.url, { prompt: 'stop here', max_tokens: 80 });
      const stop = text.slice(-12, -3);
      const body = { prompt: 'stop here', max_tokens: 500, stop };
      let seen = '';
      const again = stream(frontend.url, body, (now) => {
        seen = now;
      });
      await until(() => seen !== '');
      busiest(frontend, workers).child.kill('SIGKILL');
      expect(await again).toMatchObject({
        text: text.slice(0, text.indexOf(stop)),
        reason: 'stop',
        errors: [],
      });
      expect(moved(frontend)).toBe(1);
    });
  });

  it('with several choices are whole in each of them', async () => {
    await withFleet({}, async (frontend, workers) => {
      const ask = async () => (await post(frontend.url, { prompt: 'n', n: 3, max_tokens: 200 })).json();
      const { choices, usage } = (await ask()) as { choices: { text: string }[]; usage: object };
      expect(new Set(choices.map(({ text }) => text)).size).toBe(3);
      expect(usage).toEqual({ prompt_tokens: 1, completion_tokens: 600, total_tokens: 601 });
      const again = ask();
      await until(() => frontend.inFlight === 1);
      await sleep(150);
      busiest(frontend, workers).child.kill('SIGKILL');
      expect(await again).toMatchObject({ choices, usage });
    });
  });
});
