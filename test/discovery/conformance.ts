import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openDiscovery } from '../../dist/cjs/discovery/open.js';
import type { DiscoverySettings } from '../../dist/cjs/discovery/settings.js';
import type {
  Discovery,
  OwnInstance,
  ViewChange,
  ViewInstance,
  Watch,
} from '../../dist/cjs/discovery/types.js';
import { until } from '../helpers/package.js';

export interface Backend {
  readonly settings: DiscoverySettings;
  /** Removes all that is stored, as an operator's mistake would. */
  wipe(): Promise<void>;
  /** Names of all that is stored. */
  stored(): Promise<readonly string[]>;
  close(): Promise<void>;
}

export const NAME = { namespace: 'dynamo', component: 'backend', endpoint: 'generate' };
let lives = 0;

export function instanceOf(worker: string, fields: Partial<OwnInstance> = {}): OwnInstance {
  lives += 1;
  const incarnation = `${Date.now().toString(36)}-${lives.toString(16).padStart(16, '0')}`;
  return { ...NAME, ref: { worker, incarnation }, model: 'toy', url: 'http://127.0.0.1:9', ...fields };
}

/** A watch that remembers what it was told. */
export function follow(
  discovery: Discovery,
  isHealthy: () => boolean = () => false,
): {
  watch: Watch;
  changes: ViewChange[];
  workers(): string[];
  find(worker: string): ViewInstance | undefined;
} {
  const changes: ViewChange[] = [];
  const watch = discovery.watch({ onChange: (change) => changes.push(change), isHealthy });
  const workers = (): string[] =>
    watch
      .instances()
      .map(({ ref }) => ref?.worker ?? '')
      .sort();
  const find = (worker: string): ViewInstance | undefined =>
    watch.instances().find(({ ref }) => ref?.worker === worker);
  return { watch, changes, workers, find };
}

export interface Registrant {
  readonly child: ChildProcess;
  readonly unhandled: string[];
}

/** Another process that registers; killed at the end of the test whatever happens. */
export async function startRegistrant(
  settings: DiscoverySettings,
  instance: OwnInstance,
): Promise<Registrant> {
  const script = fileURLToPath(new URL('registrant.mjs', import.meta.url));
  const child = fork(script, [JSON.stringify(settings), JSON.stringify(instance)], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  started.add(child);
  const unhandled: string[] = [];
  child.on('message', (message: { unhandled?: string }) => {
    if (message.unhandled !== undefined) unhandled.push(message.unhandled);
  });
  await once(child, 'message');
  return { child, unhandled };
}

const started = new Set<ChildProcess>();
export function endRegistrants(): void {
  for (const child of started) {
    child.kill('SIGCONT');
    child.kill('SIGKILL');
  }
  started.clear();
}

/** What every backend does; to be called inside a `describe`. */
export function conforms(start: () => Promise<Backend>): void {
  let backend: Backend;
  let opened: Discovery[] = [];
  const open = async (): Promise<Discovery> => {
    const discovery = await openDiscovery(backend.settings, { log: () => undefined });
    opened.push(discovery);
    return discovery;
  };
  beforeEach(async () => {
    backend = await start();
  });
  afterEach(async () => {
    endRegistrants();
    await Promise.all(opened.map((each) => each.close()));
    opened = [];
    await backend.close();
  });

  it('shows a worker as it registered, to watches that were there before and to those that come later', async () => {
    const early = follow(await open());
    await until(() => early.watch.isSynced);
    const instance = instanceOf('one', { url: 'http://127.0.0.1:1234', model: 'm' });
    const { instanceId } = await (await open()).register(instance);
    await until(() => early.workers().length === 1);
    const late = follow(await open());
    await until(() => late.workers().length === 1);
    for (const { watch } of [early, late])
      expect(watch.instances()).toEqual([
        expect.objectContaining({
          ...NAME,
          instanceId,
          ref: instance.ref,
          model: 'm',
          state: 'serving',
          transport: { http: 'http://127.0.0.1:1234' },
          hasModel: true,
        }),
      ]);
  });

  it('shows a drain, and its end, and takes the worker out when it closes', async () => {
    const { find, workers, changes } = follow(await open(), () => true);
    const registration = await (await open()).register(instanceOf('one'));
    await until(() => find('one')?.state === 'serving');
    registration.setState('draining');
    await until(() => find('one')?.state === 'draining');
    registration.setState('serving');
    await until(() => find('one')?.state === 'serving');
    registration.setState('draining');
    await until(() => find('one')?.state === 'draining');
    await registration.close();
    await until(() => workers().length === 0);
    expect(registration.status).toBe('stopped');
    expect(changes.map(({ version }) => version)).toEqual(changes.map((_, index) => index + 1));
  });

  it('takes a worker out whose process is killed, and not its neighbour', async () => {
    const { workers } = follow(await open());
    const one = await startRegistrant(backend.settings, instanceOf('one'));
    await startRegistrant(backend.settings, instanceOf('two'));
    await until(() => workers().join() === 'one,two');
    one.child.kill('SIGKILL');
    await until(() => workers().join() === 'two', 15_000);
  });

  it('shows the new life of a worker that was killed and is back', async () => {
    const { workers, find } = follow(await open());
    const old = await startRegistrant(backend.settings, instanceOf('one'));
    await until(() => workers().length === 1);
    old.child.kill('SIGKILL');
    const next = instanceOf('one');
    await (await open()).register(next);
    await until(() => workers().join() === 'one' && find('one')?.ref?.incarnation === next.ref.incarnation);
  });

  it('keeps workers apart that serve different endpoints', async () => {
    const { watch } = follow(await open());
    await (await open()).register(instanceOf('one', { namespace: 'a.b' }));
    await (await open()).register(instanceOf('two', { component: 'prefill', endpoint: 'embed' }));
    await until(() => watch.size === 2);
    expect(
      watch
        .instances()
        .map(({ namespace, component, endpoint, hasModel }) => [namespace, component, endpoint, hasModel])
        .sort(),
    ).toEqual([
      ['a.b', 'backend', 'generate', true],
      ['dynamo', 'prefill', 'embed', false],
    ]);
  });

  it('brings registrations back by itself when all that was stored is deleted', async () => {
    const { workers } = follow(await open(), () => true);
    const one = await startRegistrant(backend.settings, instanceOf('one'));
    await startRegistrant(backend.settings, instanceOf('two'));
    await until(() => workers().length === 2);
    await backend.wipe();
    await until(
      async () => (await backend.stored()).filter((name) => !name.endsWith('/store')).length >= 2,
      20_000,
    );
    await until(() => workers().join() === 'one,two', 15_000);
    const late = follow(await open());
    await until(() => late.workers().join() === 'one,two', 15_000);
    expect(one.unhandled).toEqual([]);
  });

  it('leaves nothing behind, and lets the process end', async () => {
    const { child } = await startRegistrant(backend.settings, instanceOf('one'));
    await until(async () => (await backend.stored()).length > 0);
    child.send({ close: true });
    const [code] = await once(child, 'exit');
    expect(code).toBe(0);
    const left = (await backend.stored()).filter((name) => !name.endsWith('/store'));
    expect(left).toEqual([]);
  });
}
