/** Edits between two names, two neighbours that changed places counting as one. Bounded inputs only (option names). */
export function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = isSwapped ? (before[j - 2] ?? 0) + 1 : substitution;
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, substitution, swap));
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}

/** What all names begin with, as `--` or `INFERENCE_HEALTH_`: it says nothing about which of them was meant. */
function commonPrefix([first = '', ...rest]: readonly string[]): string {
  let length = rest.length === 0 ? 0 : first.length;
  while (!rest.every((name) => name.startsWith(first.slice(0, length)))) length -= 1;
  return first.slice(0, length);
}

/** ` (did you mean X?)` for the nearest known name, or an empty string when none is near: an edit for three letters. */
export function didYouMean(name: string, known: readonly string[]): string {
  if (name.length > 100) return '';
  const prefix = commonPrefix(known);
  const rest = (text: string): string =>
    (text.startsWith(prefix) ? text.slice(prefix.length) : text).toLowerCase();
  const ranked = known
    .map((candidate) => ({ candidate, edits: distance(rest(name), rest(candidate)) }))
    .sort((a, b) => a.edits - b.edits);
  const best = ranked[0];
  return best !== undefined && best.edits <= Math.max(1, Math.floor(rest(name).length / 3))
    ? ` (did you mean ${best.candidate}?)`
    : '';
}
