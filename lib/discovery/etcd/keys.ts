/** Names of what is stored. docs/discovery.md has the table. */
import type { EndpointName, InstanceRecord } from '../types.js';

export const OWN_PREFIX = 'inference-health/v1/';
/** Says which data this is: with another one, or none, the data was lost or restored. */
export const STORE_KEY = `${OWN_PREFIX}store`;
export const DYNAMO_INSTANCES = 'v1/instances/';
export const DYNAMO_MODELS = 'v1/mdc/';

/** A worker's place in the fleet, which its next life takes over. */
export function ownKey({ namespace, component, endpoint }: EndpointName, worker: string): string {
  const name = encodeURIComponent(worker).replaceAll('%3A', ':');
  return `${OWN_PREFIX}instances/${namespace}/${component}/${endpoint}/${name}`;
}

export function dynamoKey({ namespace, component, endpoint, instanceId }: InstanceRecord): string {
  return `${DYNAMO_INSTANCES}${namespace}/${component}/${endpoint}/${instanceId.toString(16)}`;
}

/** Of a key `v1/mdc/namespace/component/endpoint/id`, with or without the name of an adapter behind. */
export function modelEndpoint(key: string): EndpointName | null {
  if (!key.startsWith(DYNAMO_MODELS)) return null;
  const [namespace, component, endpoint, id] = key.slice(DYNAMO_MODELS.length).split('/');
  if (!namespace || !component || !endpoint || !id) return null;
  return { namespace, component, endpoint };
}
