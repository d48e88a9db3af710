// The exact bytes of every token of a model: text would lose characters that are spread over several tokens.
const CONTROL = 3;
const USER_DEFINED = 4;
/** SentencePiece's mark for a space. */
const SPACE = '\u2581';

/**
 * @param {{ model: string, tokens: string[], token_type?: number[] }} ggml the tokenizer in the metadata of a GGUF file
 * @returns {Uint8Array[]} by the tokens' ids; control tokens are no text
 */
export function piecesOf({ model, tokens, token_type: types = [] }) {
  const bytesOf = model === 'gpt2' ? bytePairBytes() : sentencePieceBytes;
  return tokens.map((piece, id) => {
    if (types[id] === CONTROL) return Buffer.alloc(0);
    return types[id] === USER_DEFINED ? Buffer.from(piece) : bytesOf(piece);
  });
}

function sentencePieceBytes(piece) {
  const byte = /^<0x([0-9A-F]{2})>$/.exec(piece);
  return byte === null ? Buffer.from(piece.replaceAll(SPACE, ' ')) : Buffer.of(Number.parseInt(byte[1], 16));
}

/** GPT-2's way (Llama 3, Qwen and most others): a printable character for each byte, its own or one from 256 on. */
function bytePairBytes() {
  const byteOf = new Map();
  let others = 0;
  for (let byte = 0; byte < 256; byte += 1) {
    const isOwn = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
    byteOf.set(String.fromCharCode(isOwn ? byte : 256 + others), byte);
    if (!isOwn) others += 1;
  }
  return (piece) =>
    Buffer.concat(
      Array.from(piece, (character) => {
        const byte = byteOf.get(character);
        return byte === undefined ? Buffer.from(character) : Buffer.of(byte);
      }),
    );
}
