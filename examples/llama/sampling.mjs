// A request's sampling options as those of node-llama-cpp, made so that the next token depends on the request, the tokens
// before it and its position alone: a replay from any position goes on with the same tokens.
import { randomInt } from 'node:crypto';
import { TokenBias } from 'node-llama-cpp';

/** Below it vLLM is greedy too: logits divided by it would be infinite. */
const GREEDY_BELOW = 1e-5;

/** 32 well mixed bits of what a token's random number depends on (rounds of MurmurHash3's finalizer). */
export function seedAt(seed, choice, position) {
  let hash = 0;
  for (const part of [seed / 2 ** 32, seed, choice, position]) {
    hash = (Math.imul(hash, 31) + Math.floor(part)) | 0;
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    hash ^= hash >>> 16;
  }
  return hash >>> 0;
}

/**
 * Lets a sequence have another seed for each token. The options of `evaluate` have one for a whole run, whose generator runs
 * along; and a call of it for each token would keep a vocabulary's worth of memory a token until the next collection.
 * Without this internal function a replay draws fairly, but not the same tokens.
 */
export function keySeeds(sequence) {
  const resolve = sequence._resolveSamplerConfig;
  const keyed = { sequence, nextSeed: () => 0 };
  if (typeof resolve === 'function')
    sequence._resolveSamplerConfig = (options) => ({
      ...resolve.call(sequence, options),
      seed: keyed.nextSeed(),
    });
  return keyed;
}

/** Tokens that end a text may be biased: `set` alone leaves them out. */
export const canBiasEnds = (model) => new TokenBias(model.tokenizer)._biases instanceof Map;

export function createSampling(model) {
  let ends = null;
  /** Found when first needed: a vocabulary may have 200,000 tokens. */
  const endTokens = () => {
    const { tokens } = model.fileInfo.metadata.tokenizer.ggml;
    ends ??= [...tokens.keys()].filter((id) => model.isEogToken(id));
    return ends;
  };

  const biasOf = (entries) => {
    const bias = new TokenBias(model.tokenizer);
    for (const [id, logit] of entries)
      if (model.isEogToken(id)) bias._biases.set(id, logit);
      else bias.set([id], { logit });
    return bias;
  };

  /**
   * @param prompt ids
   * @param generated ids, which grows with each token
   * @returns the options of `evaluate`, and the seed of the next token
   */
  return ({ seed, choice = 0, temperature = 0, ...request }, prompt, generated) => {
    const { topP = 1, topK = 0, minP = 0, minTokens = 0, ignoreEos = false, logitBias = new Map() } = request;
    const { frequencyPenalty = 0, presencePenalty = 0, repetitionPenalty = 1 } = request;
    const own = seed ?? randomInt(2 ** 32);
    const nextSeed = () => seedAt(own, choice, generated.length);
    const biased = biasOf(logitBias);
    const endless = generated.length < minTokens ? biasOf([...logitBias, ...neverEnd()]) : biased;
    const isPenal = frequencyPenalty !== 0 || presencePenalty !== 0 || repetitionPenalty !== 1;
    return {
      nextSeed,
      options: {
        seed: nextSeed(),
        temperature: temperature < GREEDY_BELOW ? 0 : temperature,
        // Null leaves the sampler out, where 0 sorts the whole vocabulary for each token. The default would be 40.
        topK: topK > 0 ? topK : null,
        topP,
        minP,
        tokenBias: () => (generated.length < minTokens ? endless : biased),
        yieldEogToken: ignoreEos,
        ...(isPenal ? { repeatPenalty: penalties() } : {}),
      },
    };

    function neverEnd() {
      return endTokens().map((id) => [id, Number.NEGATIVE_INFINITY]);
    }

    /** OpenAI's two count what was generated, as often as it was; repetition_penalty is for all there is, as vLLM's. */
    function penalties() {
      const isRepetition = repetitionPenalty !== 1;
      const counted = isRepetition ? [...prompt] : [];
      return {
        penalty: repetitionPenalty,
        frequencyPenalty,
        presencePenalty,
        // A window that does not move: llama.cpp then takes in each token once.
        maxPunishTokens: counted.length + request.maxTokens,
        punishTokens: () => [...counted, ...generated],
      };
    }
  };
}
