/**
 * An engine without a model: each token is a hash of the choice and of all that is before it, so that one that is lost,
 * doubled or computed on another context shows in the text.
 */
import type { Engine, EngineFigures, GenerateRequest, TokenFrame } from '../worker/engine.js';

export interface ToyEngine extends Engine {
  /** Milliseconds of a token. */
  tokenMs: number;
  /** Whether it stands still, though its process lives. */
  hangs: boolean;
}

export function createToyEngine(tokenMs: number): ToyEngine {
  let step = 0;
  let running = 0;
  let scheduledTokens = 0;

  const toy: ToyEngine = {
    model: 'toy',
    tokenMs,
    hangs: false,
    prompt(prompt) {
      const ids = typeof prompt === 'string' ? [...Buffer.from(prompt)] : prompt;
      return { tokens: ids.length, ids };
    },
    generate,
    figures: (): EngineFigures => ({ step, running, waiting: 0, scheduledTokens }),
  };

  async function* generate(
    { prompt, generated, maxTokens, choice }: GenerateRequest,
    { stopSignal }: { readonly stopSignal: AbortSignal },
  ): AsyncGenerator<TokenFrame> {
    const before = typeof prompt === 'string' ? [...Buffer.from(prompt)] : prompt;
    let hash = 0x811c9dc5 ^ choice;
    const add = (id: number): void => {
      hash = Math.imul(hash ^ id, 0x01000193) >>> 0;
    };
    for (const id of before) add(id);
    // A replayed token that is not the one that would have come here spoils all that follow.
    for (const id of generated) add(id === hash >>> 1 ? id : 0);
    scheduledTokens += before.length + generated.length;
    running += 1;
    try {
      for (let seq = generated.length; seq < maxTokens; seq += 1) {
        await pause(toy.tokenMs, stopSignal);
        while (toy.hangs) await pause(20, stopSignal);
        step += 1;
        scheduledTokens += 1;
        const tokenId = hash >>> 1;
        add(tokenId);
        yield { seq, tokenId, bytes: bytesOf(seq, tokenId), tokens: 1 };
      }
    } finally {
      running -= 1;
    }
  }
  return toy;
}

const [FIRST, SECOND] = Buffer.from('é') as unknown as readonly [number, number];

/** Every fifth token begins with the second byte of the character that the one before ends with. */
function bytesOf(seq: number, id: number): Uint8Array {
  const word = Buffer.from(` t${id % 1000}`);
  return Buffer.from([
    ...(seq % 5 === 0 && seq > 0 ? [SECOND] : []),
    ...word,
    ...(seq % 5 === 4 ? [FIRST] : []),
  ]);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', abort);
      resolve();
    }, ms);
    signal.addEventListener('abort', abort, { once: true });
  });
}
