import { describe, expect, it } from 'vitest';
import { createLineSplitter } from '../../lib/wire/lines.js';

function linesOf(text: string, chunkBytes: number): string[] {
  const lines: string[] = [];
  const push = createLineSplitter((line) => lines.push(line));
  const bytes = Buffer.from(text);
  for (let from = 0; from < bytes.length; from += chunkBytes) push(bytes.subarray(from, from + chunkBytes));
  return lines;
}

describe('lines of a stream', () => {
  it('are the same however the bytes are cut, without what follows the last break', () => {
    const text = 'one\n\ntwo and żółć 🙂\nthree\nhalf';
    for (const chunkBytes of [1, 2, 3, 5, 100])
      expect(linesOf(text, chunkBytes)).toEqual(['one', 'two and żółć 🙂', 'three']);
  });

  it('may come in very many pieces, without a cost that grows with their square', () => {
    const [line] = linesOf(`${'x'.repeat(7_000_000)}\n`, 64);
    expect(line).toHaveLength(7_000_000);
  });

  it('are refused when one is longer than 8 MiB', () => {
    expect(() => linesOf('x'.repeat(8 * 1024 * 1024 + 1), 1024 * 1024)).toThrow(
      /a line of more than 8388608/,
    );
  });
});
