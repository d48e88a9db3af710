/** A place in a list, by which it is left from anywhere in O(1). */
export interface ListNode<T> {
  readonly value: T;
  before: ListNode<T> | null;
  after: ListNode<T> | null;
}

export interface List<T> {
  first(): T | null;
  last(): T | null;
  push(value: T): ListNode<T>;
  /** Once for each node. */
  remove(node: ListNode<T>): void;
}

export function createList<T>(): List<T> {
  let head: ListNode<T> | null = null;
  let tail: ListNode<T> | null = null;
  return {
    first: () => head?.value ?? null,
    last: () => tail?.value ?? null,
    push(value) {
      const node: ListNode<T> = { value, before: tail, after: null };
      if (tail === null) head = node;
      else tail.after = node;
      tail = node;
      return node;
    },
    remove({ before, after }) {
      if (before === null) head = after;
      else before.after = after;
      if (after === null) tail = before;
      else after.before = before;
    },
  };
}
