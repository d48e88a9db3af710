import { type ExpositionFamily, parseExposition, sampleNamesOf } from './exposition.js';
import { PREFIX } from './family.js';

export interface MergeResult {
  readonly text: string;
  /** Families of the application that were left out because their name is taken. */
  readonly clashes: number;
  /** Why all of the application's text was left out, or null. */
  readonly malformed: string | null;
}

/**
 * Puts the application's metrics behind ours. What clashes with ours is left out family by family; a text that a scraper
 * would refuse is left out whole. Ours always comes through as it is.
 */
export function merge(ourText: string, appText: string): MergeResult {
  const app = parseExposition(appText);
  if (!app.ok) return { text: ourText, clashes: 0, malformed: `line ${app.line}: ${app.message}` };
  const { text, clashes } = withoutClashes(app.families, namesIn(ourText));
  return { text: ourText + text, clashes, malformed: null };
}

/**
 * Drops each family one of whose sample names is taken. Names with our prefix are all taken: ours come and go with what
 * the machine offers, and a family of the application must not come and go with them.
 */
function withoutClashes(
  families: readonly ExpositionFamily[],
  taken: ReadonlySet<string>,
): { readonly text: string; readonly clashes: number } {
  const kept = families.filter(
    ({ sampleNames }) => !sampleNames.some((name) => name.startsWith(PREFIX) || taken.has(name)),
  );
  return { text: kept.map((family) => family.text).join(''), clashes: families.length - kept.length };
}

function namesIn(text: string): Set<string> {
  const names = new Set<string>();
  for (const [, name = '', type = ''] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    for (const sampleName of sampleNamesOf(name, type)) names.add(sampleName);
  }
  return names;
}
