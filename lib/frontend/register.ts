/** What a frontend's `/health` lists: what discovery knows, and the workers that it was given, less those that are gone. */

import type { FrontendHealth } from '../dialects/dynamo-frontend.js';
import { instanceIdOf } from '../discovery/instance-id.js';
import { type Json, stringifyJson64 } from '../discovery/json64.js';
import { isSameEndpoint, urlOf } from '../discovery/record.js';
import type { EndpointName, ViewChange, ViewInstance } from '../discovery/types.js';
import type { MemberView } from './member-view.js';

export interface Register {
  /** To be called with every change of a member. */
  onMember(member: MemberView): void;
  /** To be called with every change of what is registered. */
  onView(change: ViewChange): void;
}

/** Whom the register tells about workers that may come and go. */
export interface RegisterPorts {
  add(url: string): void;
  remove(url: string): void;
  setLeaving(url: string, isLeaving: boolean): void;
}

/** Of others' records all may come: what has a `toString` that is none, or is nested without end, must not end the process. */
function shown(value: Json): string {
  if (typeof value === 'string') return value;
  try {
    return stringifyJson64(value);
  } catch {
    return '';
  }
}

/**
 * @param given URLs of workers that are there whatever discovery says
 * @param name the endpoint whose instances take requests
 */
export function createRegister(
  documented: FrontendHealth,
  given: readonly string[],
  name: EndpointName,
  pool: RegisterPorts,
): Register {
  const found = new Map<string, Map<string, ViewInstance>>();
  /** Workers that were there and are not now, whatever the store still says. */
  const dead = new Set<string>();

  function list(instance: ViewInstance): void {
    const { namespace, component, endpoint, instanceId, hasModel } = instance;
    const transport = Object.fromEntries(
      Object.entries(instance.transport).map(([kind, value]) => [kind, shown(value)]),
    );
    documented.set(instance.key, { namespace, component, endpoint, instanceId, transport, hasModel });
  }

  function set(instance: ViewInstance): void {
    const url = urlOf(instance);
    if (url === null) {
      list(instance);
      return;
    }
    const there = found.get(url) ?? new Map<string, ViewInstance>();
    found.set(url, there.set(instance.key, instance));
    if (!dead.has(url)) list(instance);
    documented.delete(url);
    if (!isSameEndpoint(instance, name)) return;
    pool.add(url);
    pool.setLeaving(url, instance.state === 'draining');
  }

  function remove(instance: ViewInstance): void {
    documented.delete(instance.key);
    const url = urlOf(instance);
    const there = url === null ? undefined : found.get(url);
    if (url === null || there === undefined) return;
    there.delete(instance.key);
    const left = [...there.values()].filter((each) => isSameEndpoint(each, name));
    if (left.length === 0 && isSameEndpoint(instance, name) && !given.includes(url)) pool.remove(url);
    else if (left.length > 0)
      pool.setLeaving(
        url,
        left.every(({ state }) => state === 'draining'),
      );
    // Its end in the pool says nothing about what else is registered there.
    dead.delete(url);
    for (const each of there.values()) list(each);
    if (there.size === 0) found.delete(url);
  }

  return {
    onMember({ url, ref, state }) {
      const isDead = state === 'gone';
      const there = found.get(url);
      if (there !== undefined) {
        if (isDead) dead.add(url);
        else dead.delete(url);
        for (const instance of there.values()) {
          if (isDead) documented.delete(instance.key);
          else list(instance);
        }
      } else if (isDead || ref === null) documented.delete(url);
      else if (given.includes(url))
        documented.set(url, {
          ...name,
          instanceId: instanceIdOf(ref.incarnation),
          transport: { http: url },
          hasModel: true,
        });
    },
    onView({ set: all, removed }) {
      // Who only changed its name stays connected.
      for (const instance of all) set(instance);
      for (const instance of removed) remove(instance);
    },
  };
}
