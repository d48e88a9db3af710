import type { Mutable } from './mutable.js';
import { createStopFilter } from './stop-strings.js';
import type { FinishReason } from './types.js';
import { createUtf8Decoder } from './utf8.js';

/**
 * Text of one choice above its token log. It runs once over the log, whatever happens to the attempts below: what a client
 * reads is the same with and without migration. See docs/fleet/assembler.md.
 */
export interface Assembler {
  /** Takes the bytes of the next token of the log; gives the text that can go out, often ''. */
  push(bytes: Uint8Array): string;
  /** The choice has ended: what was held back. A stop string that has matched overrides `reason`. */
  end(reason: FinishReason): { readonly text: string; readonly reason: FinishReason };
  /** A stop string has matched: no further token changes the text, and the engine need not go on. */
  readonly isStopped: boolean;
}

export interface AssemblerOptions {
  /** Stop strings; they are not part of the text. */
  readonly stop?: readonly string[];
}

export function createAssembler(options: AssemblerOptions = {}): Assembler {
  const decoder = createUtf8Decoder();
  const filter = createStopFilter(options.stop ?? []);
  const assembler: Mutable<Assembler> = {
    isStopped: false,
    push(bytes) {
      if (assembler.isStopped) return '';
      const text = filter.push(decoder.push(bytes));
      assembler.isStopped = filter.matched !== null;
      return text;
    },
    end(reason) {
      if (assembler.isStopped) return { text: '', reason: 'stop' };
      // Half a character, or what may be the beginning of a stop string: nobody can say any more which.
      if (reason === 'cancelled') return { text: '', reason };
      const last = filter.push(decoder.end());
      return { text: last + filter.end(), reason: filter.matched === null ? reason : 'stop' };
    },
  };
  return assembler;
}
