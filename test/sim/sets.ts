/** Machines by name: ours, mutants of them, and rivals. */
import { MUTANTS, type MutantName } from './mutants.js';
import { RIVALS, type RivalName } from './rivals.js';
import type { Machines } from './world.js';

export type MachineSet = 'ours' | MutantName | RivalName;

export function machineSet(name: MachineSet): Partial<Machines> {
  if (name === 'ours') return {};
  if (name in RIVALS) return RIVALS[name as RivalName].machines;
  if (name in MUTANTS) return MUTANTS[name as MutantName].machines;
  throw new RangeError(`no machines called ${name}`);
}
