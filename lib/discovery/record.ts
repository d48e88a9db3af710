/** Records of instances as they are stored: Dynamo's JSON, with our fields beside theirs. */
import { instanceIdOf } from './instance-id.js';
import { type Json, parseJson64, stringifyJson64 } from './json64.js';
import type { EndpointName, InstanceRecord, OwnInstance } from './types.js';

/** More than any record of ours or theirs; a larger one is a mistake, or meant badly. */
export const MAX_RECORD_BYTES = 256 * 1024;
const MAX_ID = (1n << 64n) - 1n;
const KNOWN = [
  'type',
  'namespace',
  'component',
  'endpoint',
  'instance_id',
  'transport',
  'worker',
  'incarnation',
  'model',
  'state',
];

export function recordOf({ ref, model, url, namespace, component, endpoint }: OwnInstance): InstanceRecord {
  return {
    namespace,
    component,
    endpoint,
    instanceId: instanceIdOf(ref.incarnation),
    transport: { http: url },
    ref,
    model,
    state: 'serving',
    extra: {},
  };
}

export function encodeRecord(record: InstanceRecord): string {
  const { namespace, component, endpoint, instanceId, transport, ref, model, state, extra } = record;
  return stringifyJson64({
    type: 'Endpoint',
    component,
    endpoint,
    namespace,
    instance_id: instanceId,
    transport,
    ...(ref === null ? {} : { worker: ref.worker, incarnation: ref.incarnation, state }),
    ...(model === null ? {} : { model }),
    ...extra,
  });
}

/** @throws Error that names what is missing or of another kind */
export function decodeRecord(text: string): InstanceRecord {
  if (text.length > MAX_RECORD_BYTES) throw new Error(`longer than ${MAX_RECORD_BYTES} bytes`);
  let value: Json;
  try {
    value = parseJson64(text);
  } catch (error) {
    throw new Error(`not JSON (${(error as Error).message})`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('not an object');
  const fields = value as Readonly<Record<string, Json>>;
  if (fields.type !== undefined && fields.type !== 'Endpoint')
    throw new Error('expected type to be "Endpoint"');
  const { worker, incarnation, model, state = 'serving', transport } = fields;
  if (typeof transport !== 'object' || transport === null || Array.isArray(transport))
    throw new Error('expected transport to be an object');
  if (state !== 'serving' && state !== 'draining')
    throw new Error('expected state to be serving or draining');
  return {
    namespace: textOf(fields, 'namespace'),
    component: textOf(fields, 'component'),
    endpoint: textOf(fields, 'endpoint'),
    instanceId: idOf(fields.instance_id),
    transport: transport as Readonly<Record<string, Json>>,
    ref: typeof worker === 'string' && typeof incarnation === 'string' ? { worker, incarnation } : null,
    model: typeof model === 'string' ? model : null,
    state,
    extra: Object.fromEntries(Object.entries(fields).filter(([name]) => !KNOWN.includes(name))),
  };
}

function textOf(fields: Readonly<Record<string, Json>>, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string') throw new Error(`expected ${name} to be a string`);
  return value;
}

function idOf(value: Json | undefined): bigint {
  const id =
    typeof value === 'bigint' || Number.isSafeInteger(value) ? BigInt(value as number | bigint) : -1n;
  if (id < 0n || id > MAX_ID) throw new Error('expected instance_id to be an integer of 64 bits, unsigned');
  return id;
}

/** `http://host:port` of an instance that a frontend can route to, else null. */
export function urlOf({ ref, transport }: InstanceRecord): string | null {
  const { http } = transport;
  if (ref === null || typeof http !== 'string') return null;
  try {
    const { protocol, origin, pathname } = new URL(http);
    return (protocol === 'http:' || protocol === 'https:') && pathname === '/' ? origin : null;
  } catch {
    return null;
  }
}

export function isSameEndpoint(a: EndpointName, b: EndpointName): boolean {
  return a.namespace === b.namespace && a.component === b.component && a.endpoint === b.endpoint;
}
