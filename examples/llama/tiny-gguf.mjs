// Writes a model in GGUF, version 3, that any llama.cpp loads: the llama architecture with random weights, and a vocabulary
// of its own. It talks nonsense, but it is a real model: it tokenizes, fills a KV cache and generates. Half a megabyte,
// the same bytes every time and everywhere.
//
//   node examples/llama/tiny-gguf.mjs tiny.gguf
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const TYPE = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 };
const TOKEN = { normal: 1, unknown: 2, control: 3, byte: 6 };
const TENSOR_F32 = 0;
const ALIGNMENT = 32;
/** SentencePiece's mark for a space. */
const SPACE = '\u2581';

const WORDS = `it was a bright cold day in april and the clocks were striking thirteen who controls the past controls the
future who controls the present controls the past if you want to keep a secret you must also hide it from yourself`;

/** Special tokens, all bytes, all letters, and the words with every beginning of theirs, since pieces are merged in pairs. */
function vocabulary() {
  const tokens = new Map([
    ['<unk>', { type: TOKEN.unknown, score: 0, isWord: false }],
    ['<s>', { type: TOKEN.control, score: 0, isWord: false }],
    ['</s>', { type: TOKEN.control, score: 0, isWord: false }],
  ]);
  for (let byte = 0; byte < 256; byte += 1) {
    const name = `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
    tokens.set(name, { type: TOKEN.byte, score: 0, isWord: false });
  }
  const letters = [SPACE, ...Array.from({ length: 94 }, (_, index) => String.fromCharCode(33 + index))];
  for (const letter of letters) tokens.set(letter, { type: TOKEN.normal, score: -1000, isWord: false });
  for (const word of new Set(WORDS.split(/\s+/))) {
    for (let length = 1; length <= word.length; length += 1) {
      const piece = SPACE + word.slice(0, length);
      const isWord = length === word.length || tokens.get(piece)?.isWord === true;
      // Longer pieces merge last.
      tokens.set(piece, { type: TOKEN.normal, score: -length, isWord });
    }
  }
  return [...tokens].map(([text, token]) => ({ text, ...token }));
}

/** Numbers in -1 … 1 from integers alone: sines and logarithms may differ between engines. */
function createRandom(seed) {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state / 2 ** 31;
  };
}

function createWriter() {
  const parts = [];
  let length = 0;
  const push = (bytes) => {
    parts.push(bytes);
    length += bytes.length;
  };
  const fixed = (size, method) => (value) => {
    const bytes = Buffer.alloc(size);
    bytes[method](value);
    push(bytes);
  };
  const uint64 = (value) => fixed(8, 'writeBigUInt64LE')(BigInt(value));
  const write = {
    uint32: fixed(4, 'writeUInt32LE'),
    int32: fixed(4, 'writeInt32LE'),
    float32: fixed(4, 'writeFloatLE'),
    uint64,
    bool: (value) => push(Buffer.of(value ? 1 : 0)),
    string(text) {
      const bytes = Buffer.from(text, 'utf8');
      uint64(bytes.length);
      push(bytes);
    },
    array([type, ...values]) {
      write.uint32(TYPE[type]);
      uint64(values.length);
      for (const value of values) write[type](value);
    },
    push,
    align: () => push(Buffer.alloc(-length & (ALIGNMENT - 1))),
    bytes: () => Buffer.concat(parts, length),
  };
  return write;
}

/** `llama.*` keys: what a loader needs to build the graph. */
const SHAPE = { width: 64, layers: 2, heads: 4, kvHeads: 2, hidden: 128, context: 4096 };

function metadata(tokens, seed) {
  const { width, layers, heads, kvHeads, hidden, context } = SHAPE;
  return {
    'general.architecture': ['string', 'llama'],
    'general.name': ['string', `tiny-${seed}`],
    'general.alignment': ['uint32', ALIGNMENT],
    'llama.vocab_size': ['uint32', tokens.length],
    'llama.context_length': ['uint32', context],
    'llama.embedding_length': ['uint32', width],
    'llama.block_count': ['uint32', layers],
    'llama.feed_forward_length': ['uint32', hidden],
    'llama.attention.head_count': ['uint32', heads],
    'llama.attention.head_count_kv': ['uint32', kvHeads],
    'llama.attention.layer_norm_rms_epsilon': ['float32', 1e-5],
    'llama.rope.dimension_count': ['uint32', width / heads],
    'tokenizer.ggml.model': ['string', 'llama'],
    'tokenizer.ggml.tokens': ['array', ['string', ...tokens.map(({ text }) => text)]],
    'tokenizer.ggml.scores': ['array', ['float32', ...tokens.map(({ score }) => score)]],
    'tokenizer.ggml.token_type': ['array', ['int32', ...tokens.map(({ type }) => type)]],
    'tokenizer.ggml.unknown_token_id': ['uint32', 0],
    'tokenizer.ggml.bos_token_id': ['uint32', 1],
    'tokenizer.ggml.eos_token_id': ['uint32', 2],
    'tokenizer.ggml.add_bos_token': ['bool', true],
    'tokenizer.ggml.add_space_prefix': ['bool', true],
  };
}

/** Name, dimensions (fastest first, as ggml wants them) and the scale of the weights of a row; norms are all ones. */
function tensors(tokens) {
  const { width, layers, heads, kvHeads, hidden } = SHAPE;
  const kvWidth = (width / heads) * kvHeads;
  const norm = (name) => ({ name, dimensions: [width], ones: true });
  const matrix = (name, columns, rows, scale = () => 1) => ({ name, dimensions: [columns, rows], scale });
  const block = (layer) => [
    norm(`blk.${layer}.attn_norm.weight`),
    matrix(`blk.${layer}.attn_q.weight`, width, width),
    matrix(`blk.${layer}.attn_k.weight`, width, kvWidth),
    matrix(`blk.${layer}.attn_v.weight`, width, kvWidth),
    matrix(`blk.${layer}.attn_output.weight`, width, width),
    norm(`blk.${layer}.ffn_norm.weight`),
    matrix(`blk.${layer}.ffn_gate.weight`, width, hidden),
    matrix(`blk.${layer}.ffn_up.weight`, width, hidden),
    matrix(`blk.${layer}.ffn_down.weight`, hidden, width),
  ];
  return [
    matrix('token_embd.weight', width, tokens.length, () => Math.sqrt(width)),
    ...Array.from({ length: layers }, (_, layer) => block(layer)).flat(),
    norm('output_norm.weight'),
    // Only words are likely: no text ends by chance, and none has half a character in it.
    matrix('output.weight', width, tokens.length, (row) => (tokens[row].isWord ? 1 : 0.01)),
  ];
}

function weights({ dimensions, ones, scale }, random) {
  const [columns, rows = 1] = dimensions;
  const data = Buffer.alloc(4 * columns * rows);
  for (let row = 0; row < rows; row += 1) {
    // A uniform distribution of this width has a standard deviation of 1 / √columns.
    const width = ones ? 0 : scale(row) * Math.sqrt(3 / columns);
    for (let column = 0; column < columns; column += 1)
      data.writeFloatLE(ones ? 1 : random() * width, 4 * (row * columns + column));
  }
  return data;
}

/** The file's bytes. Another seed gives another model of the same shape. */
export function tinyGguf(seed = 1984) {
  const tokens = vocabulary();
  const random = createRandom(seed);
  const pairs = Object.entries(metadata(tokens, seed));
  const list = tensors(tokens).map((tensor) => ({ ...tensor, data: weights(tensor, random) }));

  const write = createWriter();
  write.push(Buffer.from('GGUF'));
  write.uint32(3);
  write.uint64(list.length);
  write.uint64(pairs.length);
  for (const [key, [type, value]] of pairs) {
    write.string(key);
    write.uint32(TYPE[type]);
    write[type](value);
  }
  let offset = 0;
  for (const { name, dimensions, data } of list) {
    write.string(name);
    write.uint32(dimensions.length);
    for (const dimension of dimensions) write.uint64(dimension);
    write.uint32(TENSOR_F32);
    write.uint64(offset);
    offset += data.length + (-data.length & (ALIGNMENT - 1));
  }
  for (const { data } of list) {
    write.align();
    write.push(data);
  }
  write.align();
  return write.bytes();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , file = 'tiny.gguf'] = process.argv;
  writeFileSync(file, tinyGguf());
}
