/** Machines by name: ours, mutants of them, and rivals. */
import { MUTANTS, type MutantName } from './mutants.js';
import { RIVALS, type RivalName } from './rivals.js';
import type { Machines } from './world.js';

export type MachineSet = 'ours' | MutantName | RivalName;

export function machineSet(name: MachineSet): Partial<Machines> {
  if (name === 'ours') return {};
  const found: { readonly machines: Partial<Machines> } | undefined =
    RIVALS[name as RivalName] ?? MUTANTS[name as MutantName];
  if (found !== undefined) return found.machines;
  throw new RangeError(`no machines called ${name}`);
}
