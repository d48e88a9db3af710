/** Scenarios in which a machine of ours once broke a promise, as small as shrinking made them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { NOBODY } from './admission-spec.js';
import type { InvariantNumber } from './invariants.js';
import type { Scenario } from './scenario.js';

export interface Once {
  readonly name: string;
  /** Which promise it was, and how it showed. */
  readonly invariant: InvariantNumber;
  readonly detail: string;
  readonly scenario: Scenario;
}

/** @param folder `test/sim/corpus` */
export function readCorpus(folder: string): Once[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => ({
      name: file.replace('.json', ''),
      ...complete(JSON.parse(readFileSync(join(folder, file), 'utf8')) as Omit<Once, 'name'>),
    }));
}

/** What older ones do not know of yet. */
function complete(once: Omit<Once, 'name'>): Omit<Once, 'name'> {
  const { scenario } = once;
  const requests = scenario.requests.map((each) => ({ ...NOBODY, ...each }));
  return { ...once, scenario: { ...scenario, admission: scenario.admission ?? null, requests } };
}
