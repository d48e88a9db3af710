import type { WorkerRef } from './types.js';

/** The same life of the same worker. */
export function isSame(a: WorkerRef, b: WorkerRef): boolean {
  return a.worker === b.worker && a.incarnation === b.incarnation;
}

/** Key of one life of a worker, for maps. */
export function lifeOf({ worker, incarnation }: WorkerRef): string {
  return `${worker}\0${incarnation}`;
}
