/** What a stream of engines that tell no token ids has besides its log: the text to go on behind, and their own counts. */
import type { ForeignUsage } from './sse-frames.js';

/** How a stream moves: by token ids, or by the text that they made. */
export type MigrationMode = 'token' | 'text';

export interface ForeignLog {
  /** Of servers that tell no ids: so from the first, not only once a token has shown it. */
  isText(): void;
  /** The next token of the log. */
  token(choice: number, seq: number, tokenId: number, bytes: Uint8Array): void;
  text(choice: number): string;
  mode(choice: number): MigrationMode;
  /**
   * What an attempt's server has counted, at its end.
   * @returns tokens of the prompt alone, as far as that can be told
   */
  usage(choice: number, usage: ForeignUsage, firstSeq: number, length: number): number;
  /** Tokens that came together with others as one piece of text. */
  readonly missingTokens: number;
}

export function createForeignLog(choices: number): ForeignLog {
  const logs = Array.from({ length: choices }, () => ({ pieces: [] as string[], isText: false, missing: 0 }));
  let isText = false;
  return {
    isText() {
      isText = true;
    },
    token(choice, seq, tokenId, bytes) {
      const log = logs[choice];
      if (log === undefined || log.pieces.length !== seq) return;
      log.pieces.push(Buffer.from(bytes).toString('utf8'));
      log.isText ||= tokenId === -1;
    },
    text: (choice) => logs[choice]?.pieces.join('') ?? '',
    mode: (choice) => (isText || logs[choice]?.isText === true ? 'text' : 'token'),
    usage(choice, { promptTokens, completionTokens }, firstSeq, length) {
      const log = logs[choice];
      if (log?.isText === true) log.missing = Math.max(0, completionTokens - (length - firstSeq));
      // A replay's prompt is the prompt and what had come of the answer.
      return Math.max(0, promptTokens - firstSeq);
    },
    get missingTokens() {
      return logs.reduce((sum, { missing }) => sum + missing, 0);
    },
  };
}
