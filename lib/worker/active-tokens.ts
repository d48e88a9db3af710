/** What requests at a worker have before them, in tokens, for engines that do not tell: prefill to do, decode to come. */

/** Of one choice. */
export interface TokenShare {
  /** One was generated; the first says that the prefill is done. */
  token(): void;
  /** Idempotent. */
  end(): void;
}

export interface ActiveTokens {
  readonly count: number;
  begin(prefillTokens: number, decodeTokens: number): TokenShare;
}

export function createActiveTokens(): ActiveTokens {
  let count = 0;
  return {
    get count() {
      return count;
    },
    begin(prefillTokens, decodeTokens) {
      // An engine in JavaScript may have told no number, and one NaN would stay for ever.
      const prefill = Number.isFinite(prefillTokens) ? prefillTokens : 0;
      let left = prefill + decodeTokens;
      let next = prefill + 1;
      count += left;
      const take = (tokens: number): void => {
        const taken = Math.min(tokens, left);
        left -= taken;
        count -= taken;
      };
      return {
        token() {
          take(next);
          next = 1;
        },
        end: () => take(left),
      };
    },
  };
}
