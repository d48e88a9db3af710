// What a fleet's registrations cost etcd: CPU for a renewed lease, for a registration, for a change of one, and for telling a
// frontend of that. Real etcd, and the calls that workers and frontends make.
//
//   npm run proof -- registry [--members 1] [--workers 2000] [--watchers 20]
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from '../lib/parse-args.mjs';
import { startEtcd } from './lib/etcd-process.mjs';

const require = createRequire(import.meta.url);
const built = (file) => require(`../../dist/cjs/discovery/${file}.js`);
const { openEtcd, prefixRange } = built('etcd/client');
const { createRangeSource } = built('etcd/range-source');
const { OWN_PREFIX, STORE_KEY, ownKey } = built('etcd/keys');
const { isStored, nameStore, putRecord } = built('etcd/lease-store');
const { decodeRecord, encodeRecord, recordOf } = built('record');
const { discoverySettings } = built('settings');

const TTL_MS = 600_000;
const AT_ONCE = 32;
const RENEWALS = 3;
const LOOKS = 20;
const LISTS = 5;

/** @returns {Promise<boolean>} whether all was stored and told */
export async function prove(args) {
  const number = (value) => ({ type: 'string', default: String(value) });
  const { values } = parseArgs({
    args,
    options: { members: number(1), workers: number(2000), watchers: number(20) },
  });
  const [members, workers, watchers] = [values.members, values.workers, values.watchers].map(Number);
  const etcd = await startEtcd(members);
  try {
    return await measure(etcd, workers, watchers);
  } finally {
    await etcd.stop();
  }
}

async function measure(etcd, workers, watchers) {
  const { etcd: settings } = discoverySettings({ etcd: { endpoints: etcd.endpoints } }, {});
  const clients = await Promise.all(Array.from({ length: 1 + watchers }, () => openEtcd(settings)));
  const [client, ...others] = clients;
  const all = Array.from({ length: workers }, (_, index) => createWorker(index));
  const rows = [];
  const row = async (what, count, act) => {
    const before = etcd.cpuMs();
    await act();
    // What members tell each other, and what watchers have not been told by then.
    await sleep(500);
    const cpuMs = etcd.cpuMs() - before;
    rows.push([what, count, (cpuMs * 1000) / count]);
    return cpuMs;
  };
  const each = (act) => inTurn(all, act);
  try {
    const rssBefore = etcd.rssMiB();
    await row('a registration: lease, record', workers, () =>
      each(async (worker) => {
        worker.lease = (await client.grant(TTL_MS)).lease;
        await register(client, worker);
      }),
    );
    const kib = ((etcd.rssMiB() - rssBefore) * 1024) / workers;
    await row('a lease renewed', workers * RENEWALS, async () => {
      for (let times = 0; times < RENEWALS; times += 1) await each(({ lease }) => client.keep(lease));
    });
    let stored = 0;
    await row('a look whether the record is there, with every third', workers, () =>
      each(async (worker) => {
        if (await isStored(client, worker.lease, [worker.record])) stored += 1;
      }),
    );
    const change = (state) =>
      each((worker) => {
        worker.set(state);
        return register(client, worker);
      });
    const alone = await row('a change of a record', workers, () => change('draining'));
    const range = prefixRange(OWN_PREFIX);
    const newest = { limit: 1, keys_only: true, sort_order: 'Descend', sort_target: 'Mod' };
    await row("a frontend's look whether it knows all, every 10 s", LOOKS, async () => {
      for (let times = 0; times < LOOKS; times += 1) await client.range({ ...range, ...newest });
    });
    const decode = (key, value) => (key === STORE_KEY ? null : decodeRecord(value));
    const source = createRangeSource(async () => client, { prefix: OWN_PREFIX, decode, log: console.log });
    await row("a frontend's list of all, every 5 minutes", LISTS, async () => {
      for (let times = 0; times < LISTS; times += 1) await source.list();
    });
    let told = 0;
    const watches = others.map((other) =>
      other.watch(range, 0, {
        response: ({ events }) => {
          told += events?.length ?? 0;
        },
        lost: (error) => console.error(error.message),
      }),
    );
    await sleep(500);
    const withWatchers = await row(`the same with ${watchers} frontends that watch`, workers, () =>
      change('serving'),
    );
    for (const watch of watches) watch.close();
    const events = workers * watchers;
    rows.push(['a change told to one frontend', events, ((withWatchers - alone) * 1000) / events]);

    console.log(
      `etcd, members: ${etcd.endpoints.length}; ${workers} workers; ${kib.toFixed(1)} KiB of memory a worker, all members\n`,
    );
    console.log('| | calls | CPU of etcd, all members |');
    console.log('|---|--:|--:|');
    for (const [what, count, us] of rows) console.log(`| ${what} | ${count} | ${us.toFixed(1)} µs |`);
    const holds = stored === workers && told === events;
    console.log(`\n${holds ? 'holds' : 'FAILS'}  ${stored} of ${workers} stored, ${told} of ${events} told`);
    return holds;
  } finally {
    for (const each of clients) each.close();
  }
}

function createWorker(index) {
  const worker = `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}:8000`;
  const name = { namespace: 'dynamo', component: 'backend', endpoint: 'generate' };
  const incarnation = `mf3k2a1b-${index}`;
  const record = recordOf({ ...name, ref: { worker, incarnation }, model: 'm', url: `http://${worker}` });
  const at = (state) => ({ key: ownKey(record, worker), value: encodeRecord({ ...record, state }) });
  return {
    incarnation,
    lease: '',
    record: at('serving'),
    set(state) {
      this.record = at(state);
    },
  };
}

/** As the lease runner of a worker does it. */
async function register(client, { lease, record, incarnation }) {
  await nameStore(client);
  await putRecord(client, lease, record, incarnation);
}

async function inTurn(items, act) {
  let next = 0;
  const one = async () => {
    while (next < items.length) await act(items[next++]);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}
