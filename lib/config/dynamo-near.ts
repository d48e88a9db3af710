import { DYNAMO_FRONTEND_NAMES, DYNAMO_NAMES, isServiceLink } from './dynamo-names.js';
import type { Environment } from './environment.js';
import { distance } from './suggest.js';

/** Where a wrong name would leave a probe, the canary or the shutdown other than meant. */
const PREFIXES =
  /^DYN_(SYSTEM|HEALTH_CHECK|CANARY|ENGINE_HEALTH|GRACEFUL_SHUTDOWN|WORKER_GRACEFUL|RUNTIME)_?/;

/** Launchers number the ports of the workers that they start. */
const NUMBERED = /^DYN_SYSTEM_PORT_?\d+$/;

/** Names that Dynamo reads and we have no use for: as near as they are, they are no slip. */
const OTHERS: readonly string[] = [
  'DYN_RUNTIME_NUM_WORKER_THREADS',
  'DYN_RUNTIME_MAX_BLOCKING_THREADS',
  'DYN_RUNTIME_INHIBITED_DURATION_SECS',
  'DYN_HTTP_SVC_EMB_PATH',
];

const KNOWN: readonly string[] = [...DYNAMO_NAMES, ...DYNAMO_FRONTEND_NAMES];

const MOST_EDITS = 2;

/** One text for each variable that is not read and looks like one that is. Unknown `DYN_*` names in general are Dynamo's own. */
export function nearMisses(environment: Environment): string[] {
  return Object.entries(environment).flatMap(([name, text = '']) => {
    if (!name.startsWith('DYN_') || KNOWN.includes(name) || OTHERS.includes(name)) return [];
    if (NUMBERED.test(name) || isServiceLink(name, text) || text.trim() === '') return [];
    const meant = nearest(name);
    return meant === null ? [] : [`the variable ${name} is not read (did you mean ${meant}?)`];
  });
}

/**
 * A name that has the same words in all but one place, has a unit behind it that does not belong there, lacks a word, or
 * is a slip of two letters.
 */
function nearest(name: string): string | null {
  if (name.length > 100) return null;
  const close = KNOWN.map((known) => ({ known, edits: distance(name, known) })).sort(
    (a, b) => a.edits - b.edits,
  );
  const [best] = close;
  if (best !== undefined && best.edits <= MOST_EDITS) return best.known;
  if (!PREFIXES.test(name)) return null;
  const words = wordsOf(name);
  // Of two that are as near the one that begins alike: DYN_HEALTH_CHECK_TIMEOUT is not about the engine.
  const ranked = DYNAMO_NAMES.map((known) => ({ known, apart: apart(words, wordsOf(known)) })).sort(
    (a, b) => a.apart - b.apart || shared(name, b.known) - shared(name, a.known),
  );
  const [nearestWords] = ranked;
  return nearestWords !== undefined && nearestWords.apart <= 1 ? nearestWords.known : null;
}

const UNITS = ['SECS', 'SECONDS', 'SEC', 'S', 'MS'];

/** Words without units: whether a time is in seconds is what is most often written into a name. */
function wordsOf(name: string): string[] {
  return name.split('_').filter((word) => word !== 'DYN' && !UNITS.includes(word));
}

/** Words that only one of the two has; infinite where both have some, as two different settings do. */
function apart(a: readonly string[], b: readonly string[]): number {
  const onlyA = a.filter((word) => !b.includes(word)).length;
  const onlyB = b.filter((word) => !a.includes(word)).length;
  return onlyA > 0 && onlyB > 0 ? Number.POSITIVE_INFINITY : onlyA + onlyB;
}

/** Length of what both begin with. */
function shared(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length += 1;
  return length;
}
