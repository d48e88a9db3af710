// A model of the llama architecture as transformers and vLLM load it: a folder with its shape, a vocabulary of whole words and
// random weights, the same every time. It talks nonsense, of words alone; half a megabyte.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const WORDS = `it was a bright cold day in april and the clocks were striking thirteen who controls the past controls the
future who controls the present controls the past if you want to keep a secret you must also hide it from yourself`;
const SPECIAL = ['<unk>', '<s>', '</s>'];
/** SentencePiece's mark for a space. */
const SPACE = '\u2581';
/** Heads of 32: the smallest that vLLM computes without a GPU. */
const SHAPE = { width: 128, layers: 2, heads: 4, kvHeads: 2, head: 32, hidden: 256, context: 4096 };

function tokenizer(vocabulary) {
  const space = { type: 'Metaspace', replacement: SPACE, prepend_scheme: 'always', split: true };
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: SPECIAL.map((content, id) => ({ id, content, ...flags })),
    normalizer: null,
    pre_tokenizer: space,
    post_processor: null,
    decoder: space,
    model: { type: 'WordLevel', vocab: vocabulary, unk_token: '<unk>' },
  };
}

function config(size) {
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: SHAPE.width,
    intermediate_size: SHAPE.hidden,
    num_hidden_layers: SHAPE.layers,
    num_attention_heads: SHAPE.heads,
    num_key_value_heads: SHAPE.kvHeads,
    head_dim: SHAPE.head,
    vocab_size: size,
    max_position_embeddings: SHAPE.context,
    rms_norm_eps: 1e-6,
    rope_theta: 10_000,
    hidden_act: 'silu',
    tie_word_embeddings: false,
    bos_token_id: 1,
    eos_token_id: 2,
    torch_dtype: 'float32',
  };
}

/** Name, rows, columns and how far the numbers lie from 0 on average. */
function shapes(size) {
  const { width, layers, heads, kvHeads, head, hidden } = SHAPE;
  const layer = (index) =>
    [
      ['self_attn.q_proj', heads * head, width, 0.3],
      ['self_attn.k_proj', kvHeads * head, width, 0.3],
      ['self_attn.v_proj', kvHeads * head, width, 0.3],
      ['self_attn.o_proj', width, heads * head, 0.3],
      ['mlp.gate_proj', hidden, width, 0.2],
      ['mlp.up_proj', hidden, width, 0.2],
      ['mlp.down_proj', width, hidden, 0.2],
      ['input_layernorm', width, 0, 0],
      ['post_attention_layernorm', width, 0, 0],
    ].map(([name, ...rest]) => [`model.layers.${index}.${name}`, ...rest]);
  return [
    ['model.embed_tokens', size, width, 1],
    ...Array.from({ length: layers }, (_, index) => layer(index)).flat(),
    ['model.norm', width, 0, 0],
    ['lm_head', size, width, 0.3],
  ];
}

function weights(size) {
  let state = 1984;
  // Even, with the deviation that is asked for.
  const random = (deviation) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state / 2 ** 31) * deviation * Math.sqrt(3);
  };
  const header = {};
  const parts = [];
  let offset = 0;
  for (const [name, rows, columns, deviation] of shapes(size)) {
    const data = new Float32Array(rows * (columns || 1));
    // What is special never comes: its logits are 0, and that of some word is above.
    const first = name === 'lm_head' ? SPECIAL.length * columns : 0;
    for (let index = first; index < data.length; index += 1)
      data[index] = deviation === 0 ? 1 : random(deviation);
    const end = offset + data.byteLength;
    const shape = columns === 0 ? [rows] : [rows, columns];
    header[`${name}.weight`] = { dtype: 'F32', shape, data_offsets: [offset, end] };
    parts.push(Buffer.from(data.buffer));
    offset = end;
  }
  const text = Buffer.from(JSON.stringify({ __metadata__: { format: 'pt' }, ...header }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, ...parts]);
}

/** Writes the folder. */
export function writeTinyLlama(folder) {
  mkdirSync(folder, { recursive: true });
  const tokens = [...SPECIAL, ...[...new Set(WORDS.split(/\s+/))].map((word) => SPACE + word)];
  const write = (name, value) => writeFileSync(join(folder, name), JSON.stringify(value));
  write('config.json', config(tokens.length));
  write('tokenizer.json', tokenizer(Object.fromEntries(tokens.map((token, id) => [token, id]))));
  write('tokenizer_config.json', {
    tokenizer_class: 'PreTrainedTokenizerFast',
    ...{ bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>', model_max_length: SHAPE.context },
    chat_template: '{% for m in messages %}{{ m.content }}{% if not loop.last %} {% endif %}{% endfor %}',
  });
  writeFileSync(join(folder, 'model.safetensors'), weights(tokens.length));
}
