import { describe, expect, test } from 'vitest';
import { createActiveScopes } from '../../lib/lifecycle/active-scopes.js';
import { bury, exhume, TOMBSTONES_MAX, type Tombstone } from '../../lib/requests/scope-tombstones.js';
import { createVirtualClock } from './virtual-clock.js';

function setUp() {
  const clock = createVirtualClock();
  return { clock, scopes: createActiveScopes(clock) };
}

describe('running requests', () => {
  test('count until they close, canaries apart', () => {
    const { scopes } = setUp();
    const first = scopes.open({ endpoint: 'generate' });
    const canary = scopes.open({ endpoint: 'generate', isCanary: true });
    expect([scopes.count(), scopes.count({ withCanaries: true })]).toEqual([1, 2]);
    first.close();
    first.close();
    canary.close();
    expect([scopes.count(), scopes.count({ withCanaries: true })]).toEqual([0, 0]);
  });

  test('have ids of their own, and are cancelled by them, several of one id together', () => {
    const { scopes } = setUp();
    const unnamed = scopes.open({ endpoint: 'generate' });
    const first = scopes.open({ endpoint: 'generate', id: 'a' });
    const second = scopes.open({ endpoint: 'generate', id: 'a' });
    expect(unnamed.id).not.toBe('a');
    expect(scopes.cancel('a', 'kill')).toBe(true);
    expect([first.state, second.state, unnamed.state]).toEqual(['killed', 'killed', 'open']);
    scopes.stopAll({ code: 'drain', message: 'shutting down' });
    expect(unnamed.reason?.code).toBe('drain');
    expect(scopes.killAll({ code: 'drain', message: 'time is up' })).toBe(3);
    expect(unnamed.state).toBe('killed');
  });

  test('that were killed and do not end are given up after a moment', () => {
    const { clock, scopes } = setUp();
    const deaf = scopes.open({ endpoint: 'generate', id: 'a' });
    scopes.open({ endpoint: 'generate', id: 'b' });
    const canary = scopes.open({ endpoint: 'generate', isCanary: true });
    canary.kill();
    scopes.cancel('a', 'kill');
    expect(scopes.abandoned()).toBe(0);
    clock.advance(250);
    expect([scopes.abandoned(), scopes.count()]).toEqual([1, 2]);
    deaf.close();
    expect(scopes.abandoned()).toBe(0);
  });

  test('tell their progress, and those who listen', () => {
    const { clock, scopes } = setUp();
    const seen: [number, string][] = [];
    const off = scopes.onProgress((atMs, { id }) => seen.push([atMs, id]));
    const request = scopes.open({ endpoint: 'generate', id: 'a' });
    expect(scopes.requests()).toMatchObject([{ id: 'a', hasProgressed: false, startedAtMs: 1000 }]);
    clock.advance(50);
    request.progress();
    request.progress(4);
    off();
    request.progress();
    expect(scopes.progressTotal()).toBe(6);
    expect(scopes.lastProgressAtMs()).toBe(1050);
    expect(scopes.requests()).toMatchObject([{ hasProgressed: true, lastProgressAtMs: 1050 }]);
    expect(seen).toEqual([
      [1050, 'a'],
      [1050, 'a'],
    ]);
    request.close();
    request.progress();
    expect(scopes.progressTotal()).toBe(6);
  });
});

describe('a cancel that comes before its request', () => {
  test('is applied when the request comes, for a minute', () => {
    const { clock, scopes } = setUp();
    expect(scopes.cancel('early', 'stop', 'changed my mind')).toBe(false);
    scopes.cancel('dead', 'kill');
    clock.advance(59_999);
    const early = scopes.open({ endpoint: 'generate', id: 'early' });
    expect(early.state).toBe('stopping');
    expect(early.reason?.message).toBe('changed my mind');
    expect(scopes.open({ endpoint: 'generate', id: 'dead' }).state).toBe('killed');
    clock.advance(1);
    expect(scopes.open({ endpoint: 'generate', id: 'dead' }).state).toBe('open');
  });

  test('is not weakened by a later stop', () => {
    const tombstones = new Map<string, Tombstone>();
    const reason = (message: string) => ({ code: 'cancelled', message }) as const;
    bury(tombstones, { atMs: 0, id: 'a', level: 'kill', reason: reason('kill') });
    bury(tombstones, { atMs: 10, id: 'a', level: 'stop', reason: reason('stop') });
    expect(exhume(tombstones, 'a', 20)).toMatchObject({ level: 'kill', reason: reason('kill') });
    expect(exhume(tombstones, 'b', 20)).toBeNull();
  });

  test('takes no memory without bound', () => {
    const tombstones = new Map<string, Tombstone>();
    const reason = { code: 'cancelled', message: '' } as const;
    for (let i = 0; i < TOMBSTONES_MAX + 5; i += 1)
      bury(tombstones, { atMs: i / 1000, id: `id-${i}`, level: 'stop', reason });
    expect(tombstones.size).toBe(TOMBSTONES_MAX);
    expect(tombstones.has('id-4')).toBe(false);
    bury(tombstones, { atMs: 100_000, id: 'late', level: 'stop', reason });
    expect([...tombstones.keys()]).toEqual(['late']);
  });
});
