/** Which sampling options an engine is told. Ignored, they would give an answer that looks right and is not. */
import { invalid } from '../config/values.js';
import { BadRequest } from './bad-request.js';
import type { Engine } from './engine.js';
import {
  FIELDS,
  isNeutral,
  NEUTRAL,
  SAMPLING_OPTIONS,
  type SamplingOption,
  type SamplingOptions,
} from './sampling.js';

/** @throws BadRequest for what the engine does not support; whatever its own check throws */
export function checkSampling(engine: Engine, sampling: SamplingOptions): void {
  const supported = engine.supports ?? [];
  for (const option of SAMPLING_OPTIONS) {
    if (isNeutral(sampling, option) || supported.includes(option)) continue;
    const isMap = option === 'logitBias';
    const usual = isMap ? '' : ` or ${NEUTRAL[option]}`;
    const received = isMap ? Object.fromEntries(sampling.logitBias) : sampling[option];
    throw new BadRequest(FIELDS[option], `nothing${usual}: this engine does not support it`, received);
  }
  engine.checkSampling?.(sampling);
}

/** @throws InferenceHealthError ERR_CONFIG_INVALID for a name that is no option */
export function checkSupports(supports: unknown): void {
  if (supports === undefined) return;
  const expected = `a list of ${SAMPLING_OPTIONS.join(', ')}`;
  if (!Array.isArray(supports)) throw invalid('engine.supports', expected, supports);
  for (const option of supports as unknown[])
    if (!SAMPLING_OPTIONS.includes(option as SamplingOption))
      throw invalid('engine.supports', expected, option);
}
