// Writes a model in GGUF, version 3, that any llama.cpp loads: the llama architecture, and a vocabulary of its own. It talks
// nonsense, but it is a real model: it tokenizes, fills a KV cache and generates. Half a megabyte, the same bytes every time
// and everywhere.
//
// Its weights are made so that all that it computes are small whole numbers, which no rounding touches: every token is a code
// of signs, a head of attention looks at one token so many places back, and what is found is added up. So the best next token
// leads the second by far more than any order of summation changes, and a greedy text is the same however it was batched,
// which random weights do not give: of 2,388 replays of such a model one went another way.
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
const HEAD = SHAPE.width / SHAPE.heads;

function metadata(tokens, seed, { chatTemplate, isBytePair = false }) {
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
    // Below what is seen beside 1: the norms divide by exactly 1 and 2.
    'llama.attention.layer_norm_rms_epsilon': ['float32', 1e-12],
    'llama.rope.dimension_count': ['uint32', HEAD],
    ...(isBytePair ? bytePairs(tokens) : sentencePieces(tokens)),
    'tokenizer.ggml.scores': ['array', ['float32', ...tokens.map(({ score }) => score)]],
    'tokenizer.ggml.token_type': ['array', ['int32', ...tokens.map(({ type }) => type)]],
    'tokenizer.ggml.unknown_token_id': ['uint32', 0],
    'tokenizer.ggml.bos_token_id': ['uint32', 1],
    'tokenizer.ggml.eos_token_id': ['uint32', 2],
    'tokenizer.ggml.add_bos_token': ['bool', !isBytePair],
    'tokenizer.ggml.add_space_prefix': ['bool', true],
    ...(chatTemplate === undefined ? {} : { 'tokenizer.chat_template': ['string', chatTemplate] }),
  };
}

const sentencePieces = (tokens) => ({
  'tokenizer.ggml.model': ['string', 'llama'],
  'tokenizer.ggml.tokens': ['array', ['string', ...tokens.map(({ text }) => text)]],
});

/** The same vocabulary in GPT-2's form, where a space is a character of its own. */
function bytePairs(tokens) {
  const texts = tokens.map(({ text }) => text.replaceAll(SPACE, '\u0120'));
  const merges = texts.filter((text) => /^\u0120./.test(text)).sort((a, b) => a.length - b.length);
  return {
    'tokenizer.ggml.model': ['string', 'gpt2'],
    'tokenizer.ggml.pre': ['string', 'gpt-2'],
    'tokenizer.ggml.tokens': ['array', ['string', ...texts]],
    'tokenizer.ggml.merges': [
      'array',
      ['string', ...merges.map((text) => `${text.slice(0, -1)} ${text.slice(-1)}`)],
    ],
  };
}

/** Signs of a token's code. The width is 4 constants and five places for codes: 4 + 5 * 12. */
const CODE = 12;
const PLACES = 5;
const CONSTANTS = 4;
const at = (place, index) => CONSTANTS + CODE * place + index;
/** So many places back each head looks. */
const BACK = [
  [1, 2, 5, 9],
  [3, 8, 13, 18],
];
/** Constants of an embedding, and after the first layer: with the codes 64 and 256 in squares, so norms of 1 and 2. */
const FIRST = [6, 4, 0, 0];
const SECOND = [14, 0, 0, 0];
/** Length of a pair of query and of key: so large that attention is all at one token. */
const SHARP = 32;
/** Rotary pairs in use; the slower ones tell near places apart too little. */
const PAIRS = 4;
/** Of the logits: their standard deviation is about 2. */
const SCALE = 0.3;
const TIE_BREAK = 1 / 32;
const NEVER = -300;

/** Name, dimensions (fastest first, as ggml wants them) and data; what is not said is 0. */
function tensors(tokens, random) {
  const { width, layers, hidden, heads, kvHeads } = SHAPE;
  const kvWidth = HEAD * kvHeads;
  const sign = () => (random() < 0 ? -1 : 1);
  const ones = (name) => ({ name, dimensions: [width], data: new Float32Array(width).fill(1) });
  const matrix = (name, columns, rows, fill) => {
    const data = new Float32Array(columns * rows);
    fill((row, column, value) => {
      data[row * columns + column] = value;
    });
    return { name, dimensions: [columns, rows], data };
  };
  const codes = tokens.map(() => Array.from({ length: CODE }, sign));

  /** Turned back by its places, so that the rotation of as many places makes it equal to the key. */
  const query = (layer) => (set) => {
    const constant = layer === 0 ? FIRST[0] : SECOND[0] / 2;
    BACK[layer].forEach((back, head) => {
      for (let pair = 0; pair < PAIRS; pair += 1) {
        const angle = back * 10_000 ** ((-2 * pair) / HEAD);
        set(head * HEAD + 2 * pair, 0, (SHARP * Math.cos(angle)) / constant);
        set(head * HEAD + 2 * pair + 1, 0, (-SHARP * Math.sin(angle)) / constant);
      }
    });
  };
  const key = (layer) => (set) => {
    const constant = layer === 0 ? FIRST[0] : SECOND[0] / 2;
    for (let head = 0; head < kvHeads; head += 1)
      for (let pair = 0; pair < PAIRS; pair += 1) set(head * HEAD + 2 * pair, 0, SHARP / constant);
  };
  /** Of the first layer: the code of the token, and a 1. Of the second: sums of all codes found. */
  const value = (layer) => (set) => {
    for (let head = 0; head < kvHeads; head += 1) {
      if (layer === 0) {
        for (let index = 0; index < CODE; index += 1) set(head * HEAD + index, at(0, index), 1);
        set(head * HEAD + CODE, 1, 1 / FIRST[1]);
        continue;
      }
      for (let index = 0; index < HEAD; index += 1)
        for (let place = 0; place < PLACES; place += 1)
          set(head * HEAD + index, at(place, Math.floor(((random() + 1) / 2) * CODE)), 2 * sign());
    }
  };
  const output = (layer) => (set) => {
    for (let head = 0; head < heads; head += 1) {
      if (layer === 0)
        for (let index = 0; index < CODE; index += 1) set(at(head + 1, index), head * HEAD + index, 1);
      else
        for (let row = CONSTANTS; row < width; row += 1)
          set(row, head * HEAD + Math.floor(((random() + 1) / 2) * HEAD), sign());
    }
    if (layer > 0) return;
    for (let row = 0; row < CONSTANTS; row += 1) set(row, CODE, SECOND[row] - FIRST[row]);
  };
  const block = (layer) => [
    ones(`blk.${layer}.attn_norm.weight`),
    matrix(`blk.${layer}.attn_q.weight`, width, width, query(layer)),
    matrix(`blk.${layer}.attn_k.weight`, width, kvWidth, key(layer)),
    matrix(`blk.${layer}.attn_v.weight`, width, kvWidth, value(layer)),
    matrix(`blk.${layer}.attn_output.weight`, width, width, output(layer)),
    ones(`blk.${layer}.ffn_norm.weight`),
    matrix(`blk.${layer}.ffn_gate.weight`, width, hidden, () => undefined),
    matrix(`blk.${layer}.ffn_up.weight`, width, hidden, () => undefined),
    matrix(`blk.${layer}.ffn_down.weight`, hidden, width, () => undefined),
  ];
  let words = 0;
  return [
    matrix('token_embd.weight', width, tokens.length, (set) => {
      for (const [token, code] of codes.entries()) {
        for (const [row, constant] of FIRST.entries()) set(token, row, constant);
        for (const [index, bit] of code.entries()) set(token, at(0, index), bit);
      }
    }),
    ...Array.from({ length: layers }, (_, layer) => block(layer)).flat(),
    ones('output_norm.weight'),
    matrix('output.weight', width, tokens.length, (set) => {
      tokens.forEach(({ isWord }, token) => {
        // Only words are likely: no text ends by chance, and none has half a character in it.
        if (!isWord) {
          set(token, 0, (SCALE * NEVER) / SECOND[0]);
          return;
        }
        set(token, 0, (SCALE * TIE_BREAK * words) / SECOND[0]);
        words += 1;
        for (let place = 0; place < PLACES; place += 1)
          for (let index = 0; index < CODE; index += 1)
            // Hardly the same word twice.
            set(token, at(place, index), SCALE * (place === 0 ? -3 * codes[token][index] : sign()));
      });
    }),
  ];
}

function littleEndian(numbers) {
  const bytes = Buffer.alloc(4 * numbers.length);
  for (const [index, number] of numbers.entries()) bytes.writeFloatLE(number, 4 * index);
  return bytes;
}

/**
 * The file's bytes. Another seed gives another model of the same shape.
 * @param {number} [seed]
 * @param {{ chatTemplate?: string, isBytePair?: boolean }} [options] a template in Jinja; a tokenizer like GPT-2's
 */
export function tinyGguf(seed = 1984, options = {}) {
  const tokens = vocabulary();
  const random = createRandom(seed);
  const pairs = Object.entries(metadata(tokens, seed, options));
  const list = tensors(tokens, random).map(({ data, ...tensor }) => ({
    ...tensor,
    data: littleEndian(data),
  }));

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
