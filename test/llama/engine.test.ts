import { createHash } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { tinyGguf } from '../../examples/llama/tiny-gguf.mjs';
import { until } from '../helpers/package.js';
import { type Engine, HAS_ENGINE, withEngine, withModel } from './helpers.js';

vi.setConfig({ testTimeout: 90_000 });

interface Frame {
  readonly seq: number;
  readonly tokenId: number;
  readonly bytes: Uint8Array;
}

async function all(frames: AsyncIterable<Frame>): Promise<Frame[]> {
  const list: Frame[] = [];
  for await (const frame of frames) list.push(frame);
  return list;
}
const text = (frames: readonly Frame[]): string =>
  Buffer.concat(frames.map(({ bytes }) => bytes)).toString('utf8');
const idle = (engine: Engine): Promise<unknown> =>
  until(async () => {
    const { running, waiting } = await engine.health();
    return running === 0 && waiting === 0;
  });

describe('the generated model', () => {
  it('is half a megabyte and the same everywhere', () => {
    const bytes = tinyGguf();
    expect(bytes.length).toBeLessThan(600_000);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(
      '9005872e45b0d04850a64b128944a57aeb8528b2245e7f9363022db8d1b98b2f',
    );
    expect(tinyGguf(7).equals(bytes)).toBe(false);
    expect(tinyGguf(7).length).toBe(bytes.length);
  });
});

describe.runIf(HAS_ENGINE)('the llama.cpp engine', () => {
  it('generates words, token by token, and the same again', async () => {
    await withEngine(async (engine) => {
      await engine.ready;
      const ask = () => all(engine.generate({ prompt: 'it was a bright cold day', maxTokens: 40 }));
      const [first, second] = await Promise.all([ask(), ask()]);
      expect(first.map(({ seq }) => seq)).toEqual(Array.from({ length: 40 }, (_, seq) => seq));
      expect(text(first)).toMatch(/^( [a-z]+)+$/);
      expect(second).toEqual(first);
      expect(await engine.health()).toMatchObject({ model: true, running: 0, waiting: 0, steps: 80 });
      await until(() => engine.steps() === 80);
    });
  });

  it('goes on behind tokens that were generated elsewhere, as if it had generated them itself', async () => {
    await withEngine(async (engine) => {
      const request = { prompt: 'who controls the past', maxTokens: 60 };
      const whole = await all(engine.generate(request));
      const history = whole.slice(0, 25).map(({ tokenId }) => tokenId);
      expect(await all(engine.generate({ ...request, history }))).toEqual(whole.slice(25));
    });
  });

  it('goes on the same from every position, however the replays are batched with each other', async () => {
    await withEngine(async (engine) => {
      const request = { prompt: 'story 1 tells of', maxTokens: 180 };
      const whole = await all(engine.generate(request));
      const ids = whole.map(({ tokenId }) => tokenId);
      const replays = ids.map((_, length) =>
        all(engine.generate({ ...request, history: ids.slice(0, length), maxTokens: length + 1 })),
      );
      expect((await Promise.all(replays)).map(([next]) => next?.tokenId)).toEqual(ids);
    });
  });

  it('computes more requests than it has sequences, one after the other', async () => {
    await withEngine(
      async (engine) => {
        const requests = Array.from({ length: 20 }, (_, index) =>
          all(engine.generate({ prompt: `${index}`, maxTokens: 10 })),
        );
        for (const frames of await Promise.all(requests)) expect(frames).toHaveLength(10);
      },
      { sequences: 3 },
    );
  });

  it('ends a request whose signal aborts or whose reader leaves, waiting or running', async () => {
    await withEngine(
      async (engine) => {
        const cancel = new AbortController();
        const running = all(engine.generate({ prompt: 'the clocks', maxTokens: 900 }, cancel.signal));
        const waiting = all(engine.generate({ prompt: 'the clocks', maxTokens: 900 }, cancel.signal));
        const outcomes = Promise.allSettled([running, waiting]);
        await until(async () => (await engine.health()).waiting === 1);
        cancel.abort(new Error('enough'));
        for (const outcome of await outcomes)
          expect(outcome).toMatchObject({ status: 'rejected', reason: { message: 'enough' } });
        await idle(engine);
        for await (const _frame of engine.generate({ prompt: 'the clocks', maxTokens: 900 })) break;
        await idle(engine);
        expect((await engine.health()).steps).toBeLessThan(900);
      },
      { sequences: 1 },
    );
  });

  it('fails what is in it when it is killed, and what comes later', async () => {
    await withEngine(async (engine) => {
      await engine.ready;
      const request = all(engine.generate({ prompt: 'the clocks', maxTokens: 900 }));
      const failed = expect(request).rejects.toThrow('the engine ended with SIGKILL');
      await until(async () => (await engine.health()).running === 1);
      engine.child.kill('SIGKILL');
      await failed;
      await expect(engine.health()).rejects.toThrow('SIGKILL');
      await expect(all(engine.generate({ prompt: '', maxTokens: 1 }))).rejects.toThrow('SIGKILL');
    });
  });

  it('leaves signals of a terminal to the server, and ends when the server lets go of it', async () => {
    await withEngine(async (engine) => {
      await engine.ready;
      const request = all(engine.generate({ prompt: 'the clocks', maxTokens: 200 }));
      for (const signal of ['SIGINT', 'SIGTERM'] as const) engine.child.kill(signal);
      expect(await request).toHaveLength(200);
      await engine.close();
      expect(engine.child.exitCode).toBe(0);
    });
  });

  it('says what is wrong with a model that it cannot load', async () => {
    await withModel(
      async (path) => {
        await withEngine(async (engine) => expect(engine.ready).rejects.toThrow(/could not load the model/), {
          path,
          stdio: 'ignore',
        });
      },
      tinyGguf().subarray(0, 100_000),
    );
  });
});
