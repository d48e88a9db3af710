/**
 * For an object that changes what others only read. A getter over a variable would do too, but an object literal with getters
 * is made in a tenth of the speed, and is slow to read for ever: V8 keeps a dictionary for it.
 */
export type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
