/**
 * Fields of OpenAI's API that change an answer and that no engine here is told. Ignored, they would give an answer that
 * looks right and is not; with the value that changes nothing they are taken, since many clients always send them.
 */
const NEUTRAL: Readonly<Record<string, readonly unknown[]>> = {
  top_p: [1],
  frequency_penalty: [0],
  presence_penalty: [0],
  best_of: [1],
  echo: [false],
  suffix: [''],
  logprobs: [false, 0],
  top_logprobs: [0],
  parallel_tool_calls: [true, false],
  tool_choice: ['none', 'auto'],
};
/** Taken only without content. */
const EMPTY: readonly string[] = ['logit_bias', 'tools', 'functions'];

export function findUnsupported(
  fields: Readonly<Record<string, unknown>>,
): { readonly name: string; readonly expected: string } | null {
  for (const [name, neutral] of Object.entries(NEUTRAL)) {
    const value = fields[name];
    if (value === undefined || value === null || neutral.includes(value)) continue;
    const [usual] = neutral;
    return { name, expected: `nothing or ${JSON.stringify(usual)}: it is not supported` };
  }
  for (const name of EMPTY) {
    const value = fields[name];
    if (value === undefined || value === null) continue;
    if (typeof value === 'object' && Object.keys(value).length === 0) continue;
    return { name, expected: 'nothing: it is not supported' };
  }
  const format = fields.response_format;
  if (format === undefined || format === null) return null;
  if (typeof format === 'object' && (format as { type?: unknown }).type === 'text') return null;
  return { name: 'response_format', expected: '{ "type": "text" }: others are not supported' };
}
