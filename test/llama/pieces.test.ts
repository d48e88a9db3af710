import { expect, it } from 'vitest';
import { piecesOf } from '../../examples/llama/pieces.mjs';
import { tinyGguf } from '../../examples/llama/tiny-gguf.mjs';
import { HAS_ENGINE, withEngine, withModel } from './helpers.js';

const texts = (ggml: Parameters<typeof piecesOf>[0]): string[] =>
  piecesOf(ggml).map((bytes) => Buffer.from(bytes).toString('latin1'));

it('tokens of SentencePiece are their bytes, and control tokens no text', () => {
  const tokens = ['<s>', '▁a▁b', '<0xE4>', '<x>'];
  expect(texts({ model: 'llama', tokens, token_type: [3, 1, 6, 4] })).toEqual(['', ' a b', '\xe4', '<x>']);
});

it("tokens of GPT-2's kind are the bytes behind their characters", () => {
  const tokens = ['Ġhello', 'Ċ', 'Ã¤', 'Ń', '<|im_end|>', '<think>'];
  expect(texts({ model: 'gpt2', tokens, token_type: [1, 1, 1, 1, 3, 4] })).toEqual([
    ...[' hello', '\n', '\xc3\xa4', '\xad', '', '<think>'],
  ]);
});

it.runIf(HAS_ENGINE)(
  "a model with a tokenizer of GPT-2's kind talks in words, without a token of its beginning",
  async () => {
    await withModel(
      async (path) => {
        await withEngine(
          async (engine) => {
            await engine.ready;
            const prompt = await engine.tokenize(' it was a cold day');
            expect(prompt).toHaveLength(5);
            const words: Buffer[] = [];
            for await (const { bytes } of engine.generate({ prompt, maxTokens: 10 }))
              words.push(Buffer.from(bytes));
            expect(Buffer.concat(words).toString()).toMatch(/^( [a-z]+){10}$/);
          },
          { path },
        );
      },
      tinyGguf(1984, { isBytePair: true }),
    );
  },
  60_000,
);
