/**
 * Finds stop strings in text that comes in pieces, and holds back what may become one. What is let through and where it
 * stops depend on the text alone, never on where it was cut: the stop string that is complete first wins, of two that are
 * complete at the same character the longer one.
 */
export interface StopFilter {
  /** Text that can go out. After a match: nothing more. */
  push(text: string): string;
  /** What was held back, since no more text comes; nothing after a match. */
  end(): string;
  /** The stop string that matched, or null. */
  readonly matched: string | null;
}

/** @param stops empty strings are ignored */
export function createStopFilter(stops: readonly string[]): StopFilter {
  const wanted = stops.filter((stop) => stop !== '');
  const longest = wanted.reduce((length, stop) => Math.max(length, stop.length), 0);
  let held = '';
  let matched: string | null = null;

  function firstMatch(text: string): number {
    let end = Number.POSITIVE_INFINITY;
    let start = -1;
    for (const stop of wanted) {
      const at = text.indexOf(stop);
      if (at < 0) continue;
      const stopsAt = at + stop.length;
      if (stopsAt > end || (stopsAt === end && at > start)) continue;
      end = stopsAt;
      start = at;
      matched = stop;
    }
    return start;
  }

  function heldLength(text: string): number {
    for (let length = Math.min(longest - 1, text.length); length > 0; length -= 1) {
      const from = text.length - length;
      for (const stop of wanted) {
        if (stop.length > length && stop.startsWith(text.slice(from))) return length;
      }
    }
    return 0;
  }

  return {
    push(piece) {
      if (matched !== null) return '';
      if (longest === 0) return piece;
      const text = held + piece;
      const at = firstMatch(text);
      if (at >= 0) {
        held = '';
        return text.slice(0, at);
      }
      const keep = heldLength(text);
      held = keep === 0 ? '' : text.slice(text.length - keep);
      return keep === 0 ? text : text.slice(0, text.length - keep);
    },
    end() {
      const rest = held;
      held = '';
      return rest;
    },
    get matched() {
      return matched;
    },
  };
}
