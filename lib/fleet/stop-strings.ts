/**
 * Finds stop strings in text that comes in pieces, and holds back what may become one. What is let through and where it
 * stops depend on the text alone, never on where it was cut: the stop string that is complete first wins, of two that are
 * complete at the same character the longer one.
 */
import type { Mutable } from './mutable.js';

export interface StopFilter {
  /** Text that can go out. After a match: nothing more. */
  push(text: string): string;
  /** What was held back, since no more text comes; nothing after a match. */
  end(): string;
  /** The stop string that matched, or null. */
  readonly matched: string | null;
}

/** A stop string and how much of its beginning the text ends with, as Knuth, Morris and Pratt have it. */
interface Wanted {
  readonly stop: string;
  /** By characters that match: how many still do when the next one does not. */
  readonly fallbacks: Int32Array;
  matching: number;
}

/**
 * Every character of the text is looked at once for each stop string: both come from clients, and to look for the longest
 * beginning of a stop string anew with every token took seconds for a long one.
 * @param stops empty strings are ignored
 */
export function createStopFilter(stops: readonly string[]): StopFilter {
  const wanted = stops.filter((stop) => stop !== '').map(wantedOf);
  let held = '';

  /** Where the match begins, counted from the beginning of `piece` (before it: negative); null without one. */
  function find(piece: string): number | null {
    for (let at = 0; at < piece.length; at += 1) {
      const character = piece.charCodeAt(at);
      for (const each of wanted) {
        advance(each, character);
        if (each.matching === each.stop.length && each.stop.length > (filter.matched?.length ?? 0))
          filter.matched = each.stop;
      }
      if (filter.matched !== null) return at + 1 - filter.matched.length;
    }
    return null;
  }

  const filter: Mutable<StopFilter> = {
    matched: null,
    push(piece) {
      if (filter.matched !== null) return '';
      if (wanted.length === 0) return piece;
      const start = find(piece);
      const text = held + piece;
      const length =
        start === null
          ? text.length - wanted.reduce((longest, { matching }) => Math.max(longest, matching), 0)
          : held.length + start;
      held = start === null ? text.slice(length) : '';
      return text.slice(0, length);
    },
    end() {
      const rest = held;
      held = '';
      return rest;
    },
  };
  return filter;
}

function advance(wanted: Wanted, character: number): void {
  const { stop, fallbacks } = wanted;
  let { matching } = wanted;
  while (matching > 0 && stop.charCodeAt(matching) !== character) matching = fallbacks[matching] as number;
  wanted.matching = stop.charCodeAt(matching) === character ? matching + 1 : 0;
}

function wantedOf(stop: string): Wanted {
  const fallbacks = new Int32Array(stop.length + 1);
  for (let length = 1, matching = 0; length < stop.length; length += 1) {
    while (matching > 0 && stop[length] !== stop[matching]) matching = fallbacks[matching] as number;
    if (stop[length] === stop[matching]) matching += 1;
    fallbacks[length + 1] = matching;
  }
  return { stop, fallbacks, matching: 0 };
}
