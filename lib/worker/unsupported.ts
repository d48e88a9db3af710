/**
 * Fields of OpenAI's API that change an answer and that no engine here is told. Ignored, they would give an answer that
 * looks right and is not; with the value that changes nothing they are taken, since many clients always send them.
 */
const NEUTRAL: Readonly<Record<string, readonly unknown[]>> = {
  best_of: [1],
  echo: [false],
  suffix: [''],
  logprobs: [false],
  return_tokens_as_token_ids: [false],
  continue_final_message: [false],
  add_generation_prompt: [true],
  top_logprobs: [0],
  parallel_tool_calls: [true, false],
  tool_choice: ['none', 'auto'],
  function_call: ['none', 'auto'],
  // Of vLLM, SGLang and llama.cpp. Sampling options are refused where an engine does not support them.
  length_penalty: [1],
  typical_p: [1],
  mirostat: [0],
  dry_multiplier: [0],
  xtc_probability: [0],
  // Penalties count all that there is.
  repeat_last_n: [-1],
  use_beam_search: [false],
  include_stop_str_in_output: [false],
};
/** Taken only without content. */
const EMPTY: readonly string[] = [
  ...['tools', 'functions', 'prompt_logprobs', 'stop_token_ids', 'bad_words', 'allowed_token_ids'],
  ...[
    'structured_outputs',
    'guided_json',
    'guided_regex',
    'guided_choice',
    'guided_grammar',
    'grammar',
    'json_schema',
  ],
];

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
