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
  let rest = '';
  return (bytes) => {
    const text = rest + decoder.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    let from = 0;
    // There is no line break in the rest: looked for from its beginning, a long line would cost its square.
    for (let at = text.indexOf('\n', rest.length); at >= 0; at = text.indexOf('\n', from)) {
      if (at > from) onLine(text.slice(from, at));
      from = at + 1;
    }
    rest = text.slice(from);
    if (rest.length > MAX_LINE) throw new FrameError(`a line of more than ${MAX_LINE} characters`);
  };
}
