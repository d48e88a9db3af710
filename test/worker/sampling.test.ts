import { describe, expect, it } from 'vitest';
import type { Engine } from '../../lib/worker/engine.js';
import { NEUTRAL, parseSampling, type SamplingOptions, samplingFields } from '../../lib/worker/sampling.js';
import { checkSampling, checkSupports } from '../../lib/worker/sampling-support.js';

const parse = (fields: object): SamplingOptions => parseSampling(fields as Record<string, unknown>, 100);

const ALL = {
  top_p: 0.9,
  top_k: 40,
  min_p: 0.05,
  frequency_penalty: -2,
  presence_penalty: 2,
  repetition_penalty: 1.1,
  logit_bias: { 50256: -100, 7: 1.5 },
  min_tokens: 100,
  ignore_eos: true,
};

describe('the sampling options of a request', () => {
  it('are neutral where a request has none, or what changes nothing', () => {
    expect(parse({})).toEqual(NEUTRAL);
    const nothing = Object.fromEntries(Object.keys(ALL).map((name) => [name, null]));
    expect(parse(nothing)).toEqual(NEUTRAL);
    const neutral = { top_p: 1, top_k: -1, min_p: 0, repeat_penalty: 1, logit_bias: { 5: 0 }, min_tokens: 0 };
    expect(parse({ ...neutral, frequency_penalty: 0, ignore_eos: false })).toEqual(NEUTRAL);
    expect(samplingFields(NEUTRAL)).toEqual({});
  });

  it('go to a worker as they came', () => {
    const sampling = parse(ALL);
    expect(sampling.logitBias.get(50256)).toBe(-100);
    expect(JSON.parse(JSON.stringify(samplingFields(sampling)))).toEqual(ALL);
    expect(parse(samplingFields(sampling))).toEqual(sampling);
  });

  it('know the name of llama.cpp for repetition_penalty', () => {
    expect(parse({ repeat_penalty: 1.2 }).repetitionPenalty).toBe(1.2);
    expect(parse({ repeat_penalty: 1.2, repetition_penalty: 1.2 }).repetitionPenalty).toBe(1.2);
    expect(() => parse({ repeat_penalty: 1.2, repetition_penalty: 1.3 })).toThrow(
      /^repeat_penalty: expected/,
    );
  });

  it.each([
    [{ top_p: 1.1 }, 'top_p: expected a number from 0 to 1, received 1.1'],
    [{ top_p: '0.5' }, 'top_p: expected a number from 0 to 1, received "0.5"'],
    [{ top_k: -2 }, 'top_k: expected an integer from -1 to 2147483647: -1 and 0 are all tokens, received -2'],
    [{ top_k: 1.5 }, 'top_k: expected an integer'],
    [{ min_p: -0.1 }, 'min_p: expected a number from 0 to 1, received -0.1'],
    [{ frequency_penalty: 2.1 }, 'frequency_penalty: expected a number from -2 to 2, received 2.1'],
    [{ presence_penalty: true }, 'presence_penalty: expected a number from -2 to 2, received true'],
    [{ repetition_penalty: 0 }, 'repetition_penalty: expected a number from 0.01 to 100, received 0'],
    [{ repeat_penalty: -1 }, 'repeat_penalty: expected a number from 0.01 to 100, received -1'],
    [{ min_tokens: 101 }, 'min_tokens: expected an integer from 0 to 100 (max_tokens), received 101'],
    [{ ignore_eos: 1 }, 'ignore_eos: expected true or false, received 1'],
    [{ logit_bias: [[5, 1]] }, 'logit_bias: expected an object of token ids'],
    [{ logit_bias: { a: 1 } }, 'logit_bias: expected token ids as keys, received "a"'],
    [{ logit_bias: { '07': 1 } }, 'logit_bias: expected token ids as keys, received "07"'],
    [{ logit_bias: { 7: 101 } }, 'logit_bias[7]: expected a number from -100 to 100, received 101'],
    [
      { logit_bias: Object.fromEntries(Array.from({ length: 1025 }, (_, id) => [id, 1])) },
      'logit_bias: expected at most 1024 token ids, received 1025',
    ],
  ])('are refused by their names: %j', (fields, message) => {
    expect(() => parse(fields)).toThrow(message);
  });
});

describe('an engine', () => {
  const engine: Engine = {
    model: 'toy',
    prompt: () => ({ tokens: 1, ids: null }),
    figures: () => ({ step: 0, running: 0, waiting: 0 }),
    async *generate() {},
  };

  it('is told nothing that it does not say it supports', () => {
    expect(() => checkSampling(engine, NEUTRAL)).not.toThrow();
    for (const [name, value] of Object.entries(ALL)) {
      const sampling = parse({ [name]: value });
      expect(() => checkSampling(engine, sampling)).toThrow(
        expect.objectContaining({ param: name, message: expect.stringContaining('does not support it') }),
      );
    }
    expect(() => checkSampling(engine, parse({ top_p: 0.5 }))).toThrow(
      'top_p: expected nothing or 1: this engine does not support it, received 0.5',
    );
    expect(() => checkSampling({ ...engine, supports: ['topP'] }, parse({ top_p: 0.5 }))).not.toThrow();
  });

  it('may refuse values of what it supports', () => {
    const refusal = Object.assign(new Error('no such id'), { outcome: 'invalid' });
    const own: Engine = {
      ...engine,
      supports: ['logitBias'],
      checkSampling({ logitBias }) {
        if (logitBias.has(9)) throw refusal;
      },
    };
    expect(() => checkSampling(own, parse({ logit_bias: { 8: 1 } }))).not.toThrow();
    expect(() => checkSampling(own, parse({ logit_bias: { 9: 1 } }))).toThrow(refusal);
  });

  it('names what it supports by the names of its options', () => {
    expect(() => checkSupports(['topP', 'logitBias'])).not.toThrow();
    expect(() => checkSupports('topP')).toThrow(/engine.supports/);
    expect(() => checkSupports(['top_p'])).toThrow(/topP, topK.*top_p/);
  });
});
