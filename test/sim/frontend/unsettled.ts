/** What is not well although it should be by now; asked in liveness mode after the faults have stopped. */
import type { Admission } from './admission.js';
import { type Core, keyOf } from './core.js';
import type { Discovery } from './discovery.js';
import type { Picker } from './pick.js';
import type { Requests } from './requests.js';

/** @returns each with the number of the promise that it breaks; empty: all is well */
export function unsettled(
  core: Core,
  { cache }: Discovery,
  picker: Picker,
  { attempts }: Requests,
  { queued, inFlight }: Admission,
): string[] {
  const { world, actor, ejector, loadView, open } = core;
  const { outstanding } = attempts;
  const bad: string[] = [];
  if (open.size > 0) bad.push(`22 ${[...open].map(({ spec }) => spec.id)} open`);
  if (outstanding !== 0 || loadView.inFlight !== 0) bad.push(`25 ${outstanding} outstanding`);
  if (queued() + inFlight() > 0) bad.push(`25 ${queued()} wait, ${inFlight()} admitted`);
  const want = world.store
    .current()
    .items.map(({ instance }) => keyOf(instance.ref))
    .sort();
  const have = cache
    .instances()
    .map(({ ref }) => keyOf(ref))
    .sort();
  if (want.join() !== have.join()) bad.push(`23 cache ${have}, store ${want}`);
  const routes = new Set<string>();
  for (const { ref, isTrial } of picker.routable()) if (!isTrial) routes.add(keyOf(ref));
  for (const { ref, isWell } of world.workers) {
    if (!isWell()) continue;
    const condition = core.find(ref)?.condition;
    if (routes.has(keyOf(ref)) && condition === 'alive') continue;
    const ejected = ejector.isEjected(ref, actor.now()) ? ' ejected' : '';
    bad.push(`24 ${keyOf(ref)} ${condition ?? 'unknown'}${ejected}`);
  }
  return bad;
}
