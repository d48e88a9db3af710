/** Dynamo's `/busy_threshold`: its bodies, statuses and messages, and what they ask for. See docs/frontend.md. */
import { NO_THRESHOLDS, type Thresholds } from '../fleet/admission/thresholds.js';

export interface ThresholdPorts {
  /** Models that a worker has been seen with. */
  models(): readonly string[];
  /** Null: unknown. */
  get(model: string): Thresholds | null;
  /** Resolves when it counts everywhere. */
  set(model: string, change: Partial<Thresholds>): Promise<void>;
}

export interface ThresholdAnswer {
  readonly status: 200 | 400 | 404 | 422;
  readonly body: string;
}

const DECODE = 'active_decode_blocks_threshold';
const PREFILL = 'active_prefill_tokens_threshold';
const FRACTION = 'active_prefill_tokens_threshold_frac';
const MISFIT = 'Failed to deserialize the JSON body into the target type';

export function listThresholds({ models, get }: ThresholdPorts): ThresholdAnswer {
  return ok({ thresholds: models().map((model) => documentOf(model, get(model))) });
}

/** With thresholds: sets those that are given, and null leaves one as it is. Without: says what they are. */
export async function postThresholds(text: string, ports: ThresholdPorts): Promise<ThresholdAnswer> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return wrong(400, `Failed to parse the request body as JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return wrong(422, `${MISFIT}: invalid type: expected an object`);
  const given = value as Readonly<Record<string, unknown>>;
  const { model } = given;
  if (typeof model !== 'string')
    return wrong(
      422,
      `${MISFIT}: ${model === undefined ? 'missing field `model`' : 'model: expected a string'}`,
    );
  const change = changeOf(given);
  if ('status' in change) return change;
  if (Object.keys(change).length === 0) return ok(documentOf(model, ports.get(model)));
  if (ports.get(model) === null)
    return wrong(404, `Model '${model}' not found. Thresholds can only be set for discovered models.`);
  await ports.set(model, change);
  return ok(documentOf(model, ports.get(model)));
}

/** Types before ranges, as a parser that builds a typed value sees them. */
function changeOf(given: Readonly<Record<string, unknown>>): Partial<Thresholds> | ThresholdAnswer {
  const { [DECODE]: decode = null, [PREFILL]: prefill = null, [FRACTION]: fraction = null } = given;
  for (const [name, value] of [
    [DECODE, decode],
    [FRACTION, fraction],
  ] as const)
    if (value !== null && typeof value !== 'number')
      return wrong(422, `${MISFIT}: ${name}: expected a number or null`);
  if (prefill !== null && !(Number.isSafeInteger(prefill) && (prefill as number) >= 0))
    return wrong(422, `${MISFIT}: ${PREFILL}: expected an integer of at least 0 or null`);
  if (decode !== null && !((decode as number) >= 0 && (decode as number) <= 1))
    return wrong(400, `${DECODE} must be between 0.0 and 1.0, got ${decode}`);
  if (fraction !== null && !((fraction as number) >= 0 && Number.isFinite(fraction)))
    return wrong(400, `${FRACTION} must be a finite value greater than or equal to 0.0, got ${fraction}`);
  return {
    ...(decode === null ? {} : { activeDecodeBlocks: decode as number }),
    ...(prefill === null ? {} : { activePrefillTokens: prefill as number }),
    ...(fraction === null ? {} : { activePrefillTokensFraction: fraction as number }),
  };
}

function documentOf(model: string, thresholds: Thresholds | null): object {
  const { activeDecodeBlocks, activePrefillTokens, activePrefillTokensFraction } =
    thresholds ?? NO_THRESHOLDS;
  return {
    model,
    [DECODE]: activeDecodeBlocks,
    [PREFILL]: activePrefillTokens,
    [FRACTION]: activePrefillTokensFraction,
  };
}

function ok(document: object): ThresholdAnswer {
  return { status: 200, body: JSON.stringify(document) };
}

function wrong(status: 400 | 404 | 422, error: string): ThresholdAnswer {
  return { status, body: JSON.stringify({ error }) };
}
