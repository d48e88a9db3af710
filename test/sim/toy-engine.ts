/**
 * A model in three lines of arithmetic: token i is a hash of the seed, the choice, the position, everything before it, and of
 * where the prompt ends. A token that is lost, repeated, swapped, computed on a wrong prefix or with generated tokens taken
 * for prompt changes all that follow, so that content alone shows every mistake.
 */
export interface ToyRequest {
  readonly seed: number;
  readonly promptTokens: number;
  readonly maxTokens: number;
  readonly stop: readonly string[];
}

/** Ends a choice; no text. */
export const END_TOKEN = 2;
const FIRST_ORDINARY = 3;
/** One token in so many is the end. */
const END_ONE_IN = 61;

function mix(hash: number, value: number): number {
  let mixed = Math.imul(hash ^ value, 0x9e3779b1);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}

/** The state of an engine that has read a prefix. */
export interface ToyState {
  readonly promptEnd: number;
  position: number;
  hash: number;
}

const ENCODER = new TextEncoder();
/** Texts of tokens; several hold only a part of a character, and some meet to form stop strings. */
const PIECES: readonly Uint8Array[] = [
  ...[
    'a',
    'b',
    'c',
    ' ',
    'the',
    'th',
    'e ',
    '\n',
    'ab',
    'ba',
    'stop',
    'st',
    'op',
    '.',
    ',',
    '0',
    '}',
    '{"',
    '":',
  ],
  ...['ä', '日', '本', '🙂', ' word', 'ing'],
].map((text) => ENCODER.encode(text));
const PARTS: readonly Uint8Array[] = [
  [0xc3],
  [0xa4],
  [0xe6, 0x97],
  [0xa5],
  [0xf0, 0x9f],
  [0x99, 0x82],
  [0xe2, 0x82],
  [0xac],
].map((bytes) => Uint8Array.from(bytes));
const ALL = [...PIECES, ...PARTS];
const NO_BYTES = new Uint8Array(0);

export const STOP_STRINGS: readonly string[] = [
  'stop',
  'the a',
  'ab',
  '日本',
  '\n\n',
  'ba',
  'e th',
  'äb',
  '🙂 ',
];

export function bytesOf(token: number): Uint8Array {
  return token === END_TOKEN ? NO_BYTES : ALL[token % ALL.length]!;
}

/** Reads the prompt, then what was generated already. */
export function beginToy(
  seed: number,
  choice: number,
  promptTokens: number,
  generated: Int32Array,
): ToyState {
  let hash = mix(mix(0x2545f491, seed), choice);
  for (let i = 0; i < promptTokens; i += 1) hash = mix(hash, mix(seed, i));
  for (const token of generated) hash = mix(hash, token);
  return { promptEnd: promptTokens, position: promptTokens + generated.length, hash };
}

/** Computes one token and reads it. */
export function nextToken(state: ToyState): number {
  const drawn = mix(mix(state.hash, state.position), state.promptEnd);
  const token = drawn % END_ONE_IN === 0 ? END_TOKEN : FIRST_ORDINARY + (drawn % 0xfffff0);
  state.hash = mix(state.hash, token);
  state.position += 1;
  return token;
}

export interface ToyAnswer {
  readonly tokens: Int32Array;
  /** Of a client that reads to the end, stop strings applied. */
  readonly text: string;
  /** Tokens after which a stop string is complete; Infinity: none occurs. */
  readonly stopsAfter: number;
}

/** The whole answer of a run without faults, computed in another way than the machines do. */
export function wholeAnswer(request: ToyRequest, choice: number): ToyAnswer {
  const state = beginToy(request.seed, choice, request.promptTokens, new Int32Array(0));
  const tokens: number[] = [];
  while (tokens.length < request.maxTokens && tokens.at(-1) !== END_TOKEN) tokens.push(nextToken(state));
  const whole = decode(tokens);
  const cut = firstStop(whole, request.stop);
  if (cut === null)
    return { tokens: Int32Array.from(tokens), text: whole, stopsAfter: Number.POSITIVE_INFINITY };
  // A replacement character may stand for bytes that the next token completes, so only whole characters count.
  let from = 0;
  let stopsAfter = tokens.length;
  while (stopsAfter - from > 1) {
    const middle = (from + stopsAfter) >> 1;
    if (firstStop(complete(tokens.slice(0, middle)), request.stop) === null) from = middle;
    else stopsAfter = middle;
  }
  return { tokens: Int32Array.from(tokens), text: whole.slice(0, cut), stopsAfter };
}

function join(tokens: readonly number[]): Uint8Array {
  return Buffer.concat(tokens.map(bytesOf));
}

function decode(tokens: readonly number[]): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(join(tokens));
}

function complete(tokens: readonly number[]): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(join(tokens), { stream: true });
}

/** Where the text ends: before the stop string that is complete first, of two the longer one. */
function firstStop(text: string, stops: readonly string[]): number | null {
  if (stops.length === 0) return null;
  for (let end = 1; end <= text.length; end += 1) {
    let longest = 0;
    for (const stop of stops)
      if (stop.length > longest && stop.length <= end && text.startsWith(stop, end - stop.length))
        longest = stop.length;
    if (longest > 0) return end - longest;
  }
  return null;
}
