import { describe, expect, test } from 'vitest';
import { createScopeWith, type Scope, type ScopeOptions } from '../../lib/requests/abort-scope.js';
import { createVirtualClock } from './virtual-clock.js';

function setUp(options: ScopeOptions = {}) {
  const clock = createVirtualClock();
  const open = (own: ScopeOptions = {}): Scope => createScopeWith(clock, own, {});
  return { clock, open, scope: open(options) };
}

describe('a scope', () => {
  test('is open, and closed after close, whatever comes then', () => {
    const { scope } = setUp();
    expect(scope.state).toBe('open');
    scope.close();
    scope.stop();
    scope.kill();
    expect(scope.state).toBe('closed');
    expect([scope.signal.aborted, scope.stopSignal.aborted]).toEqual([false, false]);
  });

  test('tells a stop to those who listen to the stop, and a kill to both', () => {
    const { scope } = setUp();
    const { signal, stopSignal } = scope;
    scope.stop('enough');
    expect([signal.aborted, stopSignal.aborted]).toEqual([false, true]);
    expect(stopSignal.reason).toMatchObject({ code: 'ERR_CANCELLED', message: 'enough' });
    scope.kill('now');
    expect(signal.reason).toMatchObject({ code: 'ERR_CANCELLED', message: 'now' });
    const other = setUp().scope;
    other.kill();
    expect([other.signal.aborted, other.stopSignal.aborted]).toEqual([true, true]);
  });

  test('makes signals that are asked for after the fact aborted ones', () => {
    const { scope } = setUp();
    scope.kill('gone');
    scope.close();
    expect(scope.signal.reason).toMatchObject({ message: 'gone' });
    expect(scope.stopSignal.aborted).toBe(true);
  });

  test('is not weakened by a stop that comes after a kill', () => {
    const { scope } = setUp();
    scope.kill('first');
    scope.stop('second');
    expect(scope.state).toBe('killed');
    expect(scope.reason).toEqual({ code: 'cancelled', message: 'first' });
  });

  test('kills what does not stop within two seconds, for the reason it was stopped', () => {
    const { clock, scope } = setUp();
    scope.stop({ code: 'drain', message: 'shutting down' });
    clock.advance(1999);
    expect(scope.state).toBe('stopping');
    clock.advance(1);
    expect(scope.state).toBe('killed');
    expect(scope.signal.reason).toMatchObject({ code: 'ERR_DRAINING' });
    expect(scope.reason?.message).toBe('shutting down; not stopped within 2000 ms');
  });

  test('never escalates where it is told so, and at once where there is no time', () => {
    const patient = setUp({ escalateMs: Number.POSITIVE_INFINITY });
    patient.scope.stop();
    patient.clock.advance(1e9);
    expect(patient.scope.state).toBe('stopping');
    const { scope } = setUp({ escalateMs: 0 });
    scope.stop();
    expect(scope.state).toBe('killed');
  });

  test('is killed by its deadline, also when that is now', () => {
    const { clock, scope } = setUp({ deadlineMs: 500 });
    expect(scope.remainingMs()).toBe(500);
    clock.advance(400);
    expect(scope.remainingMs()).toBe(100);
    clock.advance(100);
    expect(scope.state).toBe('killed');
    expect(scope.signal.reason).toMatchObject({ code: 'ERR_DEADLINE', statusCode: 504 });
    expect(scope.remainingMs()).toBe(0);
    expect(setUp({ deadlineMs: 0 }).scope.state).toBe('killed');
  });

  test('keeps a deadline beyond the longest timer of Node', () => {
    const { clock, scope } = setUp({ deadlineMs: 2 ** 32 });
    clock.advance(2 ** 32 - 1);
    expect(scope.state).toBe('open');
    clock.advance(1);
    expect(scope.state).toBe('killed');
  });

  test('leaves no timer behind', () => {
    const { clock, scope } = setUp({ deadlineMs: 500 });
    scope.stop();
    expect(clock.timers()).toBe(1);
    scope.close();
    expect(clock.timers()).toBe(0);
  });

  test('refuses times that are none', () => {
    expect(() => setUp({ deadlineMs: -1 })).toThrow(/deadlineMs/);
    expect(() => setUp({ deadlineMs: Number.NaN })).toThrow(/deadlineMs/);
    expect(() => setUp({ escalateMs: '2' as never })).toThrow(/escalateMs/);
  });
});

describe('below a scope', () => {
  test('everything is stopped and killed with it, but not it with what is below', () => {
    const { scope } = setUp();
    const child = scope.child();
    const grandchild = child.child();
    child.stop('only this branch');
    expect([scope.state, child.state, grandchild.state]).toEqual(['open', 'stopping', 'stopping']);
    scope.kill();
    expect([child.state, grandchild.state]).toEqual(['killed', 'killed']);
  });

  test('a child has at most the time of its parent, and may have less', () => {
    const { clock, scope } = setUp({ deadlineMs: 300 });
    const child = scope.child({ deadlineMs: 1000 });
    const hasty = scope.child({ deadlineMs: 100 });
    expect([child.remainingMs(), hasty.remainingMs()]).toEqual([300, 100]);
    clock.advance(100);
    expect([scope.state, child.state, hasty.state]).toEqual(['open', 'open', 'killed']);
  });

  test('a scope that is linked after the fact gets what it has missed, time included', () => {
    const { scope, open } = setUp({ deadlineMs: 300 });
    const late = open();
    const below = late.child();
    scope.stop('early');
    scope.link(late);
    expect([late.state, below.state]).toEqual(['stopping', 'stopping']);
    expect(late.reason).toEqual({ code: 'cancelled', message: 'early' });
    expect(below.remainingMs()).toBe(300);
    const killed = open();
    killed.kill();
    const later = open();
    killed.link(later);
    expect(later.state).toBe('killed');
  });

  test('what is still open when the last of its parents closes is killed', () => {
    const { scope, open } = setUp();
    const other = open();
    const shared = scope.child();
    other.link(shared);
    scope.close();
    expect(shared.state).toBe('open');
    other.close();
    expect(shared.state).toBe('killed');
    expect(shared.reason?.code).toBe('orphaned');
    const late = open();
    scope.link(late);
    expect(late.state).toBe('killed');
  });

  test('links in a circle are harmless', () => {
    const { scope, open } = setUp({ deadlineMs: 50 });
    const other = open();
    scope.link(other);
    other.link(scope);
    scope.link(scope);
    other.stop();
    expect([scope.state, other.state]).toEqual(['stopping', 'stopping']);
    scope.close();
    other.close();
  });

  test('a chain of ten thousand is cancelled without recursion', () => {
    const { scope } = setUp();
    let last = scope;
    for (let depth = 0; depth < 10_000; depth += 1) last = last.child();
    scope.kill();
    expect(last.state).toBe('killed');
  });

  test('whoever is told first never sees a child less cancelled than its parent', () => {
    const { scope } = setUp();
    const child = scope.child();
    const seen: string[] = [];
    scope.signal.addEventListener('abort', () => seen.push(`parent told, child ${child.state}`));
    child.signal.addEventListener('abort', () => seen.push(`child told, parent ${scope.state}`));
    scope.kill();
    expect(seen).toEqual(['child told, parent killed', 'parent told, child killed']);
  });
});

describe('when the client is gone', () => {
  const gone = (): AbortSignal => AbortSignal.abort();

  test('a request is stopped at once unless told otherwise, also if it was gone before', () => {
    const client = new AbortController();
    const { scope } = setUp({ signal: client.signal });
    client.abort();
    expect(scope.state).toBe('stopping');
    expect(scope.reason?.code).toBe('disconnected');
    expect(setUp({ signal: gone() }).scope.state).toBe('stopping');
  });

  test('it is killed, or left alone, as the policy says', () => {
    expect(setUp({ signal: gone(), onDisconnect: { action: 'kill' } }).scope.state).toBe('killed');
    const { clock, scope } = setUp({ signal: gone(), onDisconnect: { action: 'continue' } });
    clock.advance(1e6);
    expect(scope.state).toBe('open');
  });

  test('it has the grace of the policy to end by itself', () => {
    const { clock, scope } = setUp({ signal: gone(), onDisconnect: { action: 'kill', graceMs: 100 } });
    clock.advance(99);
    expect(scope.state).toBe('open');
    scope.stop();
    clock.advance(1);
    expect(scope.state).toBe('killed');
  });
});
