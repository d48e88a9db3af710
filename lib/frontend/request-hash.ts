import { createHash } from 'node:crypto';
import type { CompletionRequest } from '../worker/request.js';
import { samplingFields } from '../worker/sampling.js';

/** Of what the engine computes on: the same words of another client are the same danger. */
export function hashOf({ model, prompt, temperature, seed, maxTokens, sampling }: CompletionRequest): string {
  return createHash('sha256')
    .update(JSON.stringify([model, prompt, temperature, seed, maxTokens, samplingFields(sampling)]))
    .digest('base64');
}
