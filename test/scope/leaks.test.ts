import { getEventListeners } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createActiveScopes } from '../../lib/lifecycle/active-scopes.js';
import { createScope } from '../../lib/requests/abort-scope.js';

describe('ten thousand scopes', () => {
  test('leave no listener on a signal that outlives them, and nothing in the registry or below their parent', async () => {
    const client = new AbortController();
    const parent = createScope();
    const scopes = createActiveScopes();
    const open = () =>
      scopes.open({ endpoint: 'generate', signal: client.signal, parent, deadlineMs: 60_000 });
    const together = Array.from({ length: 10_000 }, open);
    expect(getEventListeners(client.signal, 'abort')).toHaveLength(1);
    for (const scope of together) scope.close();
    for (let i = 0; i < 10_000; i += 1) open().close();
    expect(getEventListeners(client.signal, 'abort')).toHaveLength(0);
    expect(scopes.count()).toBe(0);
    const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    expect(timers).toBeLessThan(100);
    // Nothing of them is told any more.
    parent.kill();
    client.abort();
    await turn();
    expect(together.every(({ state, signal }) => state === 'closed' && !signal.aborted)).toBe(true);
  });

  test('cause no warning about listeners', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on('warning', onWarning);
    const client = new AbortController();
    const scopes = Array.from({ length: 100 }, () => createScope({ signal: client.signal }));
    await turn();
    for (const scope of scopes) scope.close();
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });
});
