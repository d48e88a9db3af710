import type { FrontendHealth, FrontendInstance } from '../../dialects/dynamo-frontend.js';

/** Instances as several processes see them: one is there as long as one of them sees it. */
export interface SeenInstances {
  /** @param own keys that this process sees, kept here; null: it is gone */
  note(own: Set<string>, key: string, instance: FrontendInstance | null): void;
  /** It has ended, and sees nothing any more. */
  forget(own: Set<string>): void;
}

export function createSeenInstances(documented: Pick<FrontendHealth, 'set' | 'delete'>): SeenInstances {
  const seen = new Map<string, number>();

  function note(own: Set<string>, key: string, instance: FrontendInstance | null): void {
    if (instance !== null) {
      if (!own.has(key)) seen.set(key, (seen.get(key) ?? 0) + 1);
      own.add(key);
      documented.set(key, instance);
      return;
    }
    if (!own.delete(key)) return;
    const left = (seen.get(key) ?? 1) - 1;
    if (left > 0) seen.set(key, left);
    else {
      seen.delete(key);
      documented.delete(key);
    }
  }

  return {
    note,
    forget(own) {
      for (const key of [...own]) note(own, key, null);
    },
  };
}
