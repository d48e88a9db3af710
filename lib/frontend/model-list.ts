/** `/v1/models`: what workers serve, with the time since when this frontend has seen it. */
export interface ModelList {
  all(): string;
  /** Null: nobody serves it. */
  one(id: string): string | null;
}

export function createModelList(models: () => readonly string[]): ModelList {
  const seenAt = new Map<string, number>();

  const documentOf = (id: string): object => {
    const created = seenAt.get(id) ?? Math.floor(Date.now() / 1000);
    seenAt.set(id, created);
    return { id, object: 'model', created, owned_by: 'inference-health' };
  };

  return {
    all() {
      const ids = [...models()].sort();
      for (const id of seenAt.keys()) if (!ids.includes(id)) seenAt.delete(id);
      return JSON.stringify({ object: 'list', data: ids.map(documentOf) });
    },
    one: (id) => (models().includes(id) ? JSON.stringify(documentOf(id)) : null),
  };
}
