/** Machines by name: ours, mutants of them, and rivals. */
import { MUTANTS } from './mutants.js';
import { RIVALS, type RivalName } from './rivals.js';
import type { Machines } from './world.js';

/** `ours`, or the name of a mutant or of a rival. */
export type MachineSet = string;

export function machineSet(name: MachineSet): Partial<Machines> {
  if (name === 'ours') return {};
  const found: { readonly machines: Partial<Machines> } | undefined =
    RIVALS[name as RivalName] ?? MUTANTS[name];
  if (found !== undefined) return found.machines;
  throw new RangeError(`no machines called ${name}`);
}
