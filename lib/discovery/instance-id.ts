import { createHash } from 'node:crypto';

/** 64 bits of a worker's incarnation: a new one with each of its lives, as an instance id should be. */
export function instanceIdOf(incarnation: string): bigint {
  return createHash('sha256').update(incarnation).digest().readBigUInt64BE(0);
}
