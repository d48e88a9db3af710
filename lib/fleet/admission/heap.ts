/** What a heap orders: it keeps its own place, so that it can leave from the middle. */
export interface HeapNode {
  key: number;
  /** −1: in no heap. */
  index: number;
}

/** A binary heap, least key first; every change costs O(log n). */
export interface Heap<T extends HeapNode> {
  size(): number;
  first(): T | null;
  push(node: T): void;
  remove(node: T): void;
  /** The node's key has changed. */
  update(node: T): void;
}

export function createHeap<T extends HeapNode>(): Heap<T> {
  const nodes: T[] = [];

  function place(node: T, index: number): void {
    nodes[index] = node;
    node.index = index;
  }

  function rise(node: T): void {
    let { index } = node;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = nodes[above] as T;
      if (parent.key <= node.key) break;
      place(parent, index);
      index = above;
    }
    place(node, index);
  }

  function sink(node: T): void {
    let { index } = node;
    for (let child = 2 * index + 1; child < nodes.length; child = 2 * index + 1) {
      let least = nodes[child] as T;
      const right = nodes[child + 1];
      if (right !== undefined && right.key < least.key) least = right;
      if (node.key <= least.key) break;
      const below = least.index;
      place(least, index);
      index = below;
    }
    place(node, index);
  }

  function update(node: T): void {
    rise(node);
    sink(node);
  }

  return {
    size: () => nodes.length,
    first: () => nodes[0] ?? null,
    push(node) {
      node.index = nodes.length;
      nodes.push(node);
      rise(node);
    },
    remove(node) {
      const last = nodes.pop();
      if (last !== undefined && last !== node) {
        place(last, node.index);
        update(last);
      }
      node.index = -1;
    },
    update,
  };
}
