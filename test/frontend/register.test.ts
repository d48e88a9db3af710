import { describe, expect, it } from 'vitest';
import { createFrontendHealth } from '../../lib/dialects/dynamo-frontend.js';
import { decodeRecord } from '../../lib/discovery/record.js';
import { createView } from '../../lib/discovery/view.js';
import { createRegister } from '../../lib/frontend/register.js';

const name = { namespace: 'dynamo', component: 'backend', endpoint: 'generate' };

function registered(transports: readonly string[]): { health: string; added: string[] } {
  const added: string[] = [];
  const health = createFrontendHealth();
  const register = createRegister(health, [], name, {
    add: (url) => void added.push(url),
    remove: () => undefined,
    setLeaving: () => undefined,
  });
  const view = createView(register.onView);
  for (const [id, transport] of transports.entries()) {
    const text = `{"type":"Endpoint","namespace":"dynamo","component":"backend","endpoint":"generate","instance_id":${id},"transport":${transport}}`;
    view.apply('dynamo', [{ key: `k${id}`, record: decodeRecord(text) }], []);
  }
  return { health: health.health().body.toString(), added };
}

describe('what others have registered', () => {
  it('is listed whatever its transport is made of, and ends no frontend', () => {
    const deep = `{"tcp":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    const { health } = registered([
      '{"tcp":{"toString":1,"valueOf":1}}',
      deep,
      '{"nats_tcp":"dynamo.backend.generate"}',
      '{"tcp":null}',
    ]);
    const { instances } = JSON.parse(health) as { instances: { transport: unknown }[] };
    expect(instances.map(({ transport }) => transport)).toEqual([
      { tcp: '{"toString":1,"valueOf":1}' },
      { tcp: '' },
      { nats_tcp: 'dynamo.backend.generate' },
      { tcp: 'null' },
    ]);
  });

  it('stays where one of two keys of the same instance goes', () => {
    const sizes: number[] = [];
    const view = createView(({ removed }) => void sizes.push(removed.length));
    const record = decodeRecord(
      '{"namespace":"a","component":"b","endpoint":"c","instance_id":7,"transport":{"http":"http://127.0.0.1:1"},"worker":"w","incarnation":"i"}',
    );
    view.apply('own', [{ key: 'old name', record }], []);
    view.apply('own', [{ key: 'new name', record }], []);
    view.apply('own', [], ['old name']);
    expect(view.watch([], async () => undefined).instances()).toHaveLength(1);
    view.apply('own', [], ['new name']);
    expect(view.watch([], async () => undefined).instances()).toHaveLength(0);
    expect(sizes.at(-1)).toBe(1);
  });
});
