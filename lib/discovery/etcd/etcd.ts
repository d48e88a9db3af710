/** Discovery in etcd. See docs/discovery.md. */
import { decodeRecord, encodeRecord, recordOf } from '../record.js';
import type { DiscoverySettings } from '../settings.js';
import type { Discovery, DiscoveryPorts, EndpointName, InstanceRecord, Registration } from '../types.js';
import { createView } from '../view.js';
import { startWatchLoop } from '../watch-loop.js';
import { type EtcdClient, openEtcd, requireEtcd3 } from './client.js';
import {
  DYNAMO_INSTANCES,
  DYNAMO_MODELS,
  dynamoKey,
  modelEndpoint,
  OWN_PREFIX,
  ownKey,
  STORE_KEY,
} from './keys.js';
import type { StoredRecord } from './lease-store.js';
import { createRangeSource } from './range-source.js';
import { createRegistrar } from './registrar.js';

/** @throws InferenceHealthError ERR_CONFIG_INVALID where the package `etcd3` is missing */
export function createEtcdDiscovery(settings: DiscoverySettings, { log }: DiscoveryPorts): Discovery {
  requireEtcd3();
  const registrar = createRegistrar(settings.etcd, log);
  let opened: Promise<EtcdClient> | null = null;
  const client = (): Promise<EtcdClient> => {
    opened ??= openEtcd(settings.etcd);
    return opened;
  };
  const closers = new Set<() => void>();

  function recordsOf(record: InstanceRecord, worker: string): readonly StoredRecord[] {
    const value = encodeRecord(record);
    const own = { key: ownKey(record, worker), value };
    // Their routers know no state: what drains is not there.
    const isTheirs = settings.dynamoRegister && record.state === 'serving';
    return isTheirs ? [own, { key: dynamoKey(record), value }] : [own];
  }

  return {
    backend: 'etcd',
    async register(instance, progress): Promise<Registration> {
      let record = recordOf(instance);
      const { worker, incarnation } = instance.ref;
      let count = 0;
      const moving = (): number => {
        count += 1;
        return count;
      };
      const kept = registrar.keep(recordsOf(record, worker), incarnation, progress ?? moving);
      return {
        instanceId: record.instanceId,
        get status() {
          return kept.status;
        },
        setState(state) {
          if (record.state === state) return;
          record = { ...record, state };
          kept.set(recordsOf(record, worker));
        },
        close: () => kept.stop(),
      };
    },

    watch({ onChange, isHealthy }) {
      const view = createView(onChange);
      const models = new Map<string, EndpointName>();
      const options = { ttlMs: settings.etcd.leaseTtlMs };
      const read = (key: string, value: string): InstanceRecord | null =>
        key === STORE_KEY ? null : decodeRecord(value);
      const own = startWatchLoop(
        createRangeSource(client, { prefix: OWN_PREFIX, decode: read, log }),
        { log, isHealthy, onChange: (set, removed) => view.apply('own', set, removed) },
        options,
      );
      // Nothing is routed there: what is not registered any more is not there.
      const theirs = { log, isHealthy: () => false };
      const others = [
        startWatchLoop(
          createRangeSource(client, { prefix: DYNAMO_INSTANCES, decode: read, log }),
          { ...theirs, onChange: (set, removed) => view.apply('dynamo', set, removed) },
          options,
        ),
        startWatchLoop(
          createRangeSource(client, { prefix: DYNAMO_MODELS, decode: modelRecord, isKeysOnly: true, log }),
          {
            ...theirs,
            onChange(set, removed) {
              const gone = removed.flatMap((key) => models.get(key) ?? []);
              for (const key of removed) models.delete(key);
              const fresh = set.filter(({ key }) => !models.has(key));
              for (const { key, record } of fresh) models.set(key, record);
              view.applyModels(
                fresh.map(({ record }) => record),
                gone,
              );
            },
          },
          options,
        ),
      ];
      const close = (): void => {
        closers.delete(close);
        for (const loop of [own, ...others]) loop.close();
      };
      closers.add(close);
      // Whether Dynamo's keys can be read says nothing about ours.
      return view.watch([own], async () => close());
    },

    async close() {
      for (const close of [...closers]) close();
      await registrar.close();
      if (opened === null) return;
      await opened.then(
        (etcd) => etcd.close(),
        () => undefined,
      );
    },
  };
}

/** Of a model record only where it is counts. */
function modelRecord(key: string): InstanceRecord | null {
  const name = modelEndpoint(key);
  if (name === null) return null;
  return { ...name, instanceId: 0n, transport: {}, ref: null, model: null, state: 'serving', extra: {} };
}
