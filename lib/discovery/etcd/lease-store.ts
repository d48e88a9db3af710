/** What a lease keeper asks etcd for. */
import { randomUUID } from 'node:crypto';
import { decodeRecord } from '../record.js';
import type { EtcdClient } from './client.js';
import { STORE_KEY } from './keys.js';

/** What one worker stores, all under one lease. */
export interface StoredRecord {
  readonly key: string;
  readonly value: string;
}

/** A later life of the same worker is registered: this one is a straggler and must not take its place. */
export class SupersededError extends Error {
  override readonly name = 'SupersededError';
}

/** Writes what is not there, and what an earlier life of the worker has left; never what a later one says. */
export async function putRecord(
  etcd: EtcdClient,
  lease: string,
  { key, value }: StoredRecord,
  incarnation: string,
): Promise<void> {
  const name = Buffer.from(key);
  const put = { request_put: { key: name, value: Buffer.from(value), lease } };
  const first = await etcd.txn({
    compare: [{ key: name, target: 'Version', result: 'Equal', version: 0 }],
    success: [put],
    failure: [{ request_range: { key: name } }],
  });
  if (first.succeeded) return;
  const known = first.responses[0]?.response_range.kvs[0];
  if (known === undefined) throw new Error('changed while it was written');
  const other = incarnationOf(known.value.toString());
  if (other !== null && startedMs(other) > startedMs(incarnation))
    throw new SupersededError(`a later life of this worker is registered as ${key}`);
  const second = await etcd.txn({
    compare: [{ key: name, target: 'Mod', result: 'Equal', mod_revision: known.mod_revision }],
    success: [put],
  });
  if (!second.succeeded) throw new Error('changed while it was written');
}

/** Unless somebody else has taken its place. */
export async function deleteRecord(etcd: EtcdClient, lease: string, key: string): Promise<void> {
  const name = Buffer.from(key);
  await etcd.txn({
    compare: [{ key: name, target: 'Lease', result: 'Equal', lease }],
    success: [{ request_delete_range: { key: name } }],
  });
}

/** Gives the data a name once: with another name it is other data. */
export async function nameStore(etcd: EtcdClient): Promise<void> {
  const key = Buffer.from(STORE_KEY);
  await etcd.txn({
    compare: [{ key, target: 'Version', result: 'Equal', version: 0 }],
    success: [{ request_put: { key, value: Buffer.from(randomUUID()) } }],
  });
}

/** Whether all of it is there, unchanged and under this lease: a lease outlives keys that somebody deletes. */
export async function isStored(
  etcd: EtcdClient,
  lease: string,
  records: readonly StoredRecord[],
): Promise<boolean> {
  const { responses } = await etcd.txn({
    success: records.map(({ key }) => ({ request_range: { key: Buffer.from(key), serializable: true } })),
  });
  return records.every(({ value }, index) => {
    const kv = responses[index]?.response_range.kvs[0];
    return kv !== undefined && kv.lease === lease && kv.value.toString() === value;
  });
}

function incarnationOf(value: string): string | null {
  try {
    return decodeRecord(value).ref?.incarnation ?? null;
  } catch {
    return null;
  }
}

/** Incarnations begin with the moment of their start, milliseconds to the base of 36. */
function startedMs(incarnation: string): number {
  return Number.parseInt(incarnation.split('-', 1)[0] ?? '', 36) || 0;
}
