/** The defects that were found in other systems, put into our machines: each has to break one of our promises. */
import type { InvariantNumber } from './invariants.js';
import { ROWS } from './mutant-rows.js';
import type { Profile } from './scenario.js';
import type { Machines } from './world.js';

export interface Mutant {
  /** Where it was found, and what it does. */
  readonly defect: string;
  readonly caughtBy: InvariantNumber;
  readonly machines: Partial<Machines>;
  /** Scenarios in which it has a chance to show. */
  readonly profile: Profile;
}

export type Row = readonly [
  name: string,
  caughtBy: InvariantNumber,
  defect: string,
  machines: Partial<Machines>,
  profile: Profile,
];

export const MUTANTS: Readonly<Record<string, Mutant>> = Object.fromEntries(
  ROWS.map(([name, caughtBy, defect, machines, profile]) => [name, { caughtBy, defect, machines, profile }]),
);
