/** Discovery on one machine, without a daemon: sockets in a run directory. See docs/discovery.md. */

import { recordOf } from '../record.js';
import type { Discovery, DiscoveryPorts, Registration } from '../types.js';
import { createView } from '../view.js';
import type { WatchLoop } from '../watch-loop.js';
import { startWatchLoop } from '../watch-loop.js';
import { createPresence } from './presence.js';
import { type Publication, publish } from './publish.js';

/** A connection that ends is a process that ends; where its requests succeed all the same it has this long to be back. */
const TTL_MS = 2000;

export function createMemoryDiscovery(directory: string, ports: DiscoveryPorts): Discovery {
  const publications = new Set<Publication>();
  const closers = new Set<() => void>();

  return {
    backend: 'memory',
    async register(instance): Promise<Registration> {
      let record = recordOf(instance);
      const publication = await publish(directory, record, (error) =>
        ports.log({ error: error.message }, 'the registration cannot be written'),
      );
      publications.add(publication);
      let isClosed = false;
      return {
        instanceId: record.instanceId,
        get status() {
          if (isClosed) return 'stopped';
          return publication.isPublished ? 'registered' : 'lost';
        },
        setState(state) {
          if (record.state === state || isClosed) return;
          record = { ...record, state };
          publication.set(record);
        },
        async close() {
          isClosed = true;
          publications.delete(publication);
          publication.close();
        },
      };
    },
    watch({ onChange, isHealthy }) {
      const presence = createPresence(directory, ports.log);
      const view = createView(onChange);
      const loop: WatchLoop = startWatchLoop(
        presence,
        { log: ports.log, isHealthy, onChange: (set, removed) => view.apply('own', set, removed) },
        { ttlMs: TTL_MS },
      );
      const close = (): void => {
        closers.delete(close);
        loop.close();
        presence.close();
      };
      closers.add(close);
      return view.watch([loop], async () => close());
    },
    async close() {
      for (const publication of publications) publication.close();
      publications.clear();
      for (const close of [...closers]) close();
    },
  };
}
