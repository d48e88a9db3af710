import { StringDecoder } from 'node:string_decoder';
import { FrameError } from './frames.js';

/** A line longer than this is no frame of ours. */
const MAX_LINE = 8 * 1024 * 1024;

/**
 * Cuts a stream of bytes into lines. The rest after the last line break never counts: it may be half a frame.
 * @throws FrameError from `push` when a line is longer than 8 MiB
 */
export function createLineSplitter(onLine: (line: string) => void): (bytes: Uint8Array) => void {
  const decoder = new StringDecoder('utf8');
  // In pieces: put together with every chunk, a long line would cost its square.
  let pieces: string[] = [];
  let length = 0;
  return (bytes) => {
    const text = decoder.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    let from = 0;
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', from)) {
      pieces.push(text.slice(from, at));
      const line = pieces.length === 1 ? (pieces[0] as string) : pieces.join('');
      pieces = [];
      length = 0;
      from = at + 1;
      if (line !== '') onLine(line);
    }
    if (from === text.length) return;
    pieces.push(text.slice(from));
    length += text.length - from;
    if (length > MAX_LINE) throw new FrameError(`a line of more than ${MAX_LINE} characters`);
  };
}
