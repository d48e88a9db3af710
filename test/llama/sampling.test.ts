import { describe, expect, it, vi } from 'vitest';
import { seedAt } from '../../examples/llama/sampling.mjs';
import { type Engine, HAS_ENGINE, withEngine } from './helpers.js';

vi.setConfig({ testTimeout: 60_000 });

const TOKENS = 40;
/** The token that ends a text of the generated model. */
const END = 2;

async function run(engine: Engine, request: object): Promise<number[]> {
  const ids: number[] = [];
  const options = { prompt: 'it was a bright cold day', maxTokens: TOKENS, ...request };
  for await (const { tokenId } of engine.generate(options)) ids.push(tokenId);
  return ids;
}

const SAMPLED = { temperature: 1.5, seed: 7 };

describe.runIf(HAS_ENGINE)('sampling with llama.cpp', () => {
  it('goes on with the same tokens from any position', async () => {
    await withEngine(async (engine) => {
      await Promise.all(
        Object.entries({
          greedy: {},
          frequency: { frequencyPenalty: 1.5 },
          presence: { presencePenalty: 2, frequencyPenalty: -0.5 },
          repetition: { repetitionPenalty: 1.3 },
          seed: SAMPLED,
          choice: { ...SAMPLED, seed: Number.MAX_SAFE_INTEGER, choice: 3 },
          cuts: { ...SAMPLED, topP: 0.95, topK: 50, minP: 0.01 },
          penalties: { ...SAMPLED, frequencyPenalty: 1, presencePenalty: 1 },
          seedAndRepetition: { ...SAMPLED, repetitionPenalty: 1.2 },
          bias: { ...SAMPLED, logitBias: new Map([[END, 9]]), minTokens: 20 },
          ignoreEos: { ...SAMPLED, logitBias: new Map([[END, 9]]), ignoreEos: true },
        }).map(async ([name, options]) => {
          const whole = await run(engine, options);
          expect(whole.length).toBeGreaterThanOrEqual(20);
          for (let at = 1; at < whole.length; at += 4) {
            const history = whole.slice(0, at);
            const again = [...history, ...(await run(engine, { ...options, history }))];
            expect({ name, at, ids: again }).toEqual({ name, at, ids: whole });
          }
        }),
      );
    });
  });

  it('does what each option asks for', async () => {
    await withEngine(async (engine) => {
      const greedy = await run(engine, {});
      const sampled = await run(engine, SAMPLED);
      expect(sampled).not.toEqual(greedy);
      for (const one of [{ topK: 1 }, { topP: 0 }, { minP: 1 }])
        expect(await run(engine, { ...SAMPLED, ...one })).toEqual(greedy);
      expect(await run(engine, { ...SAMPLED, choice: 1 })).not.toEqual(sampled);
      // Two without a seed are two draws.
      const draws = await Promise.all([1, 2].map(() => run(engine, { temperature: 1.5 })));
      expect(draws[0]).not.toEqual(draws[1]);

      const repeats = (ids: readonly number[]) => ids.length - new Set(ids).size;
      expect(repeats(greedy)).toBeGreaterThan(0);
      expect(repeats(await run(engine, { presencePenalty: 100 }))).toBe(0);
      expect(repeats(await run(engine, { frequencyPenalty: 100 }))).toBe(0);

      const [first = 0] = greedy;
      const [other] = await run(engine, { logitBias: new Map([[first, -100]]) });
      expect(other).not.toBe(first);
      const ends = { logitBias: new Map([[END, 100]]) };
      expect(await run(engine, ends)).toEqual([]);
      expect(await run(engine, { ...ends, minTokens: 5 })).toEqual(greedy.slice(0, 5));
      expect(await run(engine, { ...ends, ignoreEos: true })).toEqual(Array(TOKENS).fill(END));
    });
  });

  it('counts the prompt for repetition_penalty alone', async () => {
    await withEngine(async (engine) => {
      await engine.ready;
      const text = await engine.tokenize('it was a bright cold day');
      const whole = await run(engine, {});
      const at = whole.findIndex((id, index) => whole.indexOf(id) < index);
      const before = whole.slice(0, at);
      const next = async (options: object) => (await run(engine, { maxTokens: at + 1, ...options }))[0];
      const prompt = [...text, ...before];
      expect(await next({ prompt, frequencyPenalty: 100, presencePenalty: 100 })).toBe(whole[at]);
      expect(await next({ prompt, repetitionPenalty: 100 })).not.toBe(whole[at]);
      expect(await next({ prompt: text, history: before, presencePenalty: 100 })).not.toBe(whole[at]);
    });
  });
});

describe('the seed of a token', () => {
  it('is another one for each seed, choice and position', () => {
    const seeds = new Set<number>();
    for (const seed of [0, 1, 2, -1, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER])
      for (const choice of [0, 1, 2])
        for (let position = 0; position < 100; position += 1) seeds.add(seedAt(seed, choice, position));
    // Of 2,100 draws of 32 bits hardly ever two are the same.
    expect(seeds.size).toBe(7 * 3 * 100);
  });
});
