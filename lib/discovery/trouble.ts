import { monoMs } from '../native/clock.js';

/** Who looks at a log an hour later is to see that it still is so. */
const AGAIN_MS = 60_000;

export interface Trouble {
  /** Whether to say so: when it begins or becomes another one, and once a minute as long as it lasts. */
  isToBeSaid(text: string): boolean;
  /** @returns whether there was any */
  end(): boolean;
}

export function createTrouble(now: () => number = monoMs): Trouble {
  let known: string | null = null;
  let saidMs = 0;
  return {
    isToBeSaid(text) {
      if (text === known && now() - saidMs < AGAIN_MS) return false;
      known = text;
      saidMs = now();
      return true;
    },
    end() {
      const was = known !== null;
      known = null;
      return was;
    },
  };
}
