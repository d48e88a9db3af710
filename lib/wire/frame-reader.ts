import { decodeFrame, type Frame, FrameError } from './frames.js';

export type OtherFrame = Exclude<Frame, { readonly type: 'token' }>;

export interface FrameSink {
  /** @param bytes valid only until it returns */
  token(seq: number, tokenId: number, bytes: Uint8Array): void;
  frame(frame: OtherFrame): void;
}

/** A line longer than this is no frame of ours. */
const MAX_LINE = 8 * 1024 * 1024;
/** Bytes of the longest token that is read by hand. */
const SHORT = 96;

/**
 * Frames from bytes as they arrive, however they are cut; a rest without a line break never counts. There is one for every
 * token of every stream: as `encodeFrame` writes it, it is read without making a string or an object. Whatever looks
 * different goes to `decodeFrame`.
 * @throws FrameError from `push`
 */
export function createFrameReader(sink: FrameSink): (bytes: Uint8Array) => void {
  let pieces: Buffer[] = [];
  let length = 0;

  function line(buffer: Buffer, from: number, to: number): void {
    if (from === to || readToken(buffer, from, to, sink)) return;
    const frame = decodeFrame(buffer.toString('utf8', from, to));
    if (frame.type === 'token') sink.token(frame.seq, frame.tokenId, frame.bytes);
    else sink.frame(frame);
  }

  return (bytes) => {
    const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    let from = 0;
    for (let at = buffer.indexOf(LINE_BREAK); at >= 0; at = buffer.indexOf(LINE_BREAK, from)) {
      if (length === 0) line(buffer, from, at);
      else {
        const whole = Buffer.concat([...pieces, buffer.subarray(from, at)]);
        pieces = [];
        length = 0;
        line(whole, 0, whole.length);
      }
      from = at + 1;
    }
    if (from === buffer.length) return;
    // A copy: the buffer belongs to whoever has read it.
    pieces.push(Buffer.from(buffer.subarray(from)));
    length += buffer.length - from;
    if (length > MAX_LINE) throw new FrameError(`a line of more than ${MAX_LINE} bytes`);
  };
}

const code = (character: string): number => character.charCodeAt(0);
const LINE_BREAK = code('\n');
const OPEN = code('[');
const CLOSE = code(']');
const COMMA = code(',');
const QUOTE = code('"');
const MINUS = code('-');
const ZERO = code('0');
const EQUALS = code('=');

/** Value of a base64 character; −1: it is none. */
const VALUES = new Int8Array(256).fill(-1);
for (const [value, character] of [
  ...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',
].entries())
  VALUES[code(character)] = value;

const scratch = new Uint8Array(SHORT);
const views = Array.from({ length: SHORT + 1 }, (_, size) => scratch.subarray(0, size));

/** False: it is not exactly `[seq,id,"base64"]`. */
function readToken(buffer: Buffer, from: number, to: number, sink: FrameSink): boolean {
  if (buffer[from] !== OPEN || buffer[to - 1] !== CLOSE || buffer[to - 2] !== QUOTE) return false;
  const afterSeq = integerEnd(buffer, from + 1);
  if (afterSeq < 0 || buffer[afterSeq] !== COMMA) return false;
  const isNegative = buffer[afterSeq + 1] === MINUS;
  const idFrom = isNegative ? afterSeq + 2 : afterSeq + 1;
  const afterId = integerEnd(buffer, idFrom);
  if (afterId < 0 || buffer[afterId] !== COMMA || buffer[afterId + 1] !== QUOTE) return false;
  const tokenId = isNegative ? -integer(buffer, idFrom, afterId) : integer(buffer, idFrom, afterId);
  if (tokenId < -1 || Object.is(tokenId, -0) || tokenId > 0x7fffffff) return false;
  const size = decodeBase64(buffer, afterId + 2, to - 2);
  if (size < 0) return false;
  sink.token(integer(buffer, from + 1, afterSeq), tokenId, views[size] as Uint8Array);
  return true;
}

/** Behind the digits; −1: what stands there is no integer as JSON writes it, or a very large one. */
function integerEnd(buffer: Buffer, from: number): number {
  let at = from;
  while (isDigit(buffer[at])) at += 1;
  const digits = at - from;
  return digits === 0 || digits > 10 || (digits > 1 && buffer[from] === ZERO) ? -1 : at;
}

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= ZERO && byte <= ZERO + 9;

function integer(buffer: Buffer, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to; at += 1) value = value * 10 + ((buffer[at] as number) - ZERO);
  return value;
}

/** Into `scratch`; the number of bytes, or −1: too long, or another way of writing it. */
function decodeBase64(buffer: Buffer, from: number, to: number): number {
  const characters = to - from;
  if (characters < 0 || characters % 4 !== 0 || characters > (SHORT / 3) * 4) return -1;
  let size = 0;
  for (let at = from; at < to; at += 4) {
    const isLast = at + 4 === to;
    const padding = !isLast || buffer[at + 3] !== EQUALS ? 0 : buffer[at + 2] !== EQUALS ? 1 : 2;
    const a = VALUES[buffer[at] as number] as number;
    const b = VALUES[buffer[at + 1] as number] as number;
    const c = padding === 2 ? 0 : (VALUES[buffer[at + 2] as number] as number);
    const d = padding > 0 ? 0 : (VALUES[buffer[at + 3] as number] as number);
    if ((a | b | c | d) < 0) return -1;
    scratch[size] = (a << 2) | (b >> 4);
    scratch[size + 1] = ((b & 15) << 4) | (c >> 2);
    scratch[size + 2] = ((c & 3) << 6) | d;
    size += 3 - padding;
  }
  return size;
}
