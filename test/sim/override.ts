/** A machine of ours with some of it done otherwise. */
export function override<T extends object>(inner: T, changes: Partial<T>): T {
  return Object.defineProperties(Object.create(inner), Object.getOwnPropertyDescriptors(changes)) as T;
}
